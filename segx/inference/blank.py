"""Regions of a scan that show nothing: glass around tissue, black margins."""

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Extent, Region
from segx.scans.scan import Scan

__all__ = ["BlankMap", "blank_map", "otsu"]

# Cells of the map along the longer side of a scan.
_CELLS = 512
_BINS = 256


class BlankMap:
    """Which cells of a grid over a scan show nothing.

    Args:
        blank: One value a cell, shape (rows, cols).
        extent: Size of the scan, in pixels.
    """

    def __init__(self, blank: NDArray[np.bool_], extent: Extent) -> None:
        self._blank = blank
        self._extent = extent

    @property
    def share(self) -> float:
        """Share of the cells that show nothing."""
        return float(self._blank.mean())

    def __call__(self, region: Region) -> bool:
        """Whether every cell that a region touches shows nothing."""
        extent, (rows, cols) = self._extent, self._blank.shape
        touched = (
            _cells(region.top, region.bottom, length=extent.rows, cells=rows),
            _cells(region.left, region.right, length=extent.cols, cells=cols),
        )
        return bool(self._blank[touched].all())


def blank_map(scan: Scan, *, plane: int = 0) -> BlankMap:
    """Find what is as bright as glass or as dark as an empty margin.

    Otsu's threshold parts dark from bright pixels of a thumbnail; the side that the
    scan's border lies on is empty. A cell counts as blank only if its darkest pixel (in
    a dark margin: its brightest) is well on the empty side: beyond the middle between
    the threshold and the empty side's mean. Of a pyramid a small level is looked at,
    else every pixel is read once.

    Args:
        scan: The scan.
        plane: Which plane.

    References:
        Otsu 1979, doi:10.1109/TSMC.1979.4310076.
    """
    low, high, means = _thumbnails(scan, plane)
    threshold = otsu(means)
    border = np.concatenate([means[0], means[-1], means[:, 0], means[:, -1]])
    is_glass = float(np.median(border)) > threshold
    empty = means[means > threshold] if is_glass else means[means <= threshold]
    limit = (threshold + float(empty.mean())) / 2 if empty.size else threshold
    blank = low > limit if is_glass else high < limit
    return BlankMap(blank, scan.extent)


def otsu(values: NDArray[np.float32]) -> float:
    """The threshold that parts values into the two most distinct groups.

    References:
        Otsu 1979, doi:10.1109/TSMC.1979.4310076.
    """
    counts, edges = np.histogram(values, _BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / below - (sums[-1] - sums) / above
        between = np.nan_to_num(below * above * gap**2)
    # Between two distant groups every threshold is as good: take the one in the middle.
    best = np.flatnonzero(between >= between.max() * (1 - 1e-6))
    return float((edges[1:][best[0]] + edges[1:][best[-1]]) / 2)


def _thumbnails(
    scan: Scan, plane: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Least, greatest and mean brightness of each cell."""
    level = _level(scan)
    extent = scan.levels[level]
    step = max(1, -(-max(extent.rows, extent.cols) // _CELLS))
    least, greatest, mean = [], [], []
    for top in range(0, extent.rows, step):
        region = Region(top, 0, min(step, extent.rows - top), extent.cols)
        # Least, greatest and mean over the channels: a coloured pixel is not empty.
        pixels = scan.read(region, plane=plane, level=level)
        starts = np.arange(0, extent.cols, step)
        # Rows first, for they lie far apart: several times as fast as both at once.
        dark, bright = pixels.min(axis=0).min(axis=1), pixels.max(axis=0).max(axis=1)
        level_mean = pixels.mean(axis=0, dtype=np.float32).mean(axis=1)
        least.append(np.minimum.reduceat(dark, starts))
        greatest.append(np.maximum.reduceat(bright, starts))
        widths = np.diff([*starts, extent.cols])
        mean.append(np.add.reduceat(level_mean, starts) / widths)
    return (
        np.asarray(least, np.float32),
        np.asarray(greatest, np.float32),
        np.asarray(mean, np.float32),
    )


def _level(scan: Scan) -> int:
    """The smallest level of a pyramid that has a pixel a cell, or more."""
    fits = [
        number
        for number, extent in enumerate(scan.levels)
        if number == 0 or max(extent.rows, extent.cols) >= 4 * _CELLS
    ]
    return fits[-1]


def _cells(first: int, end: int, *, length: int, cells: int) -> slice:
    """The cells that pixels `first` to `end` touch, and one more on each side."""
    per_pixel = cells / length
    return slice(
        max(0, int(first * per_pixel) - 1), min(cells, int(end * per_pixel) + 2)
    )
