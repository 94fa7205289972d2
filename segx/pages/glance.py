"""A plane of a scan as a small RGB picture, whatever its size and its values."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Region
from segx.pages.pictures import shrunk
from segx.scans.channels import match_channels
from segx.scans.files import open_scan
from segx.scans.intensity import Intensity
from segx.scans.overlay import as_rgb
from segx.scans.resize import resize_image
from segx.scans.scan import Scan

__all__ = ["glance"]

_BAND_PIXELS = 2**22


def glance(
    path: Path, *, plane: int = 0, axis: int = 0, intensity: Intensity | None = None
) -> NDArray[np.uint8]:
    """Read a plane at the size of `shrunk`; memory has a bound, however large it is.

    Args:
        path: The scan.
        plane: Which plane, counted from 0.
        axis: Axis along which a volume is cut into planes.
        intensity: The scale to show it with. Without one, or where its channels are
            not the scan's, it is shown as `as_rgb` does.

    Returns:
        RGB, shape (rows, cols, 3).

    Raises:
        ScanError: If the file can't be read.
    """
    with open_scan(path, axis=axis) as scan:
        pixels = _every_nth(scan, plane)
        if intensity is not None:
            try:
                pixels = match_channels(pixels, intensity.channels, source=path)
                intensity = intensity.fitted_to(scan)
            except ScanError:
                intensity = None  # one of several files, or a case with that defect
        return resize_image(as_rgb(pixels, intensity=intensity), shrunk(scan.extent))


def _every_nth(scan: Scan, plane: int) -> NDArray[np.generic]:
    """Every n-th pixel, at least two for each that will be shown."""
    wanted = 2 * max(shrunk(scan.extent).rows, shrunk(scan.extent).cols)
    level = max(
        index
        for index, extent in enumerate(scan.levels)
        if not index or max(extent.rows, extent.cols) >= wanted
    )
    extent = scan.levels[level]
    step = max(1, max(extent.rows, extent.cols) // wanted)
    rows = step * max(1, _BAND_PIXELS // (step * extent.cols))
    bands = [
        scan.read(
            Region(top, 0, min(rows, extent.rows - top), extent.cols),
            plane=plane,
            level=level,
        )[::step, ::step]
        for top in range(0, extent.rows, rows)
    ]
    return np.concatenate(bands)
