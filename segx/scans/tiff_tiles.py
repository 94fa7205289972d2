"""How our TIFFs are laid out: square tiles, and pixels a centimetre."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Extent

__all__ = ["TILE", "cut", "resolution_tags"]

TILE = Extent(256, 256)
"""Size of a tile, in pixels."""

_Value = TypeVar("_Value", bound=np.generic)


def cut(band: NDArray[_Value]) -> Iterator[NDArray[_Value]]:
    """Cut a band into tiles; the last ones are filled up with 0.

    Args:
        band: Shape (rows, cols), of at most a tile's rows.
    """
    rows, cols = band.shape
    padded = np.pad(band, ((0, TILE.rows - rows), (0, -cols % TILE.cols)))
    for left in range(0, cols, TILE.cols):
        yield padded[:, left : left + TILE.cols]


def resolution_tags(pixel_mm: tuple[float, float] | None) -> dict[str, Any]:
    """What tifffile writes of a pixel's height and width, where these are known."""
    if pixel_mm is None:
        return {}
    down, across = pixel_mm
    return {"resolution": (10 / across, 10 / down), "resolutionunit": "CENTIMETER"}
