"""The eight ways in which EXIF and TIFF say that a picture lies on its side."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from segx.geometry import Extent, Region

__all__ = ["EXIF_TAG", "ORIENTATIONS", "Orientation"]

EXIF_TAG = 0x0112
"""Number of the orientation tag, the same in EXIF and in TIFF."""


@dataclass(frozen=True)
class Orientation:
    """How the stored picture becomes upright: a transpose, then flips.

    Args:
        transposed: Rows and columns are swapped, before the flips.
        rows_flipped: The upright picture's rows are counted from the bottom.
        cols_flipped: The upright picture's columns are counted from the right.

    Examples:
        >>> ORIENTATIONS[6].upright_extent(Extent(2000, 3000))
        Extent(rows=3000, cols=2000)
    """

    transposed: bool
    rows_flipped: bool
    cols_flipped: bool

    def upright(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Turn a stored array (rows, cols, ...) upright; a view, not a copy."""
        array = stored.swapaxes(0, 1) if self.transposed else stored
        rows = slice(None, None, -1) if self.rows_flipped else slice(None)
        cols = slice(None, None, -1) if self.cols_flipped else slice(None)
        return array[rows, cols]

    def upright_extent(self, stored: Extent) -> Extent:
        """Size of the upright picture."""
        return Extent(stored.cols, stored.rows) if self.transposed else stored

    def stored_region(self, region: Region, *, stored: Extent) -> Region:
        """Where an upright region lies in the stored picture of size `stored`."""
        extent = self.upright_extent(stored)
        top = extent.rows - region.bottom if self.rows_flipped else region.top
        left = extent.cols - region.right if self.cols_flipped else region.left
        if self.transposed:
            return Region(left, top, region.cols, region.rows)
        return Region(top, left, region.rows, region.cols)


ORIENTATIONS = {
    1: Orientation(transposed=False, rows_flipped=False, cols_flipped=False),
    2: Orientation(transposed=False, rows_flipped=False, cols_flipped=True),
    3: Orientation(transposed=False, rows_flipped=True, cols_flipped=True),
    4: Orientation(transposed=False, rows_flipped=True, cols_flipped=False),
    5: Orientation(transposed=True, rows_flipped=False, cols_flipped=False),
    6: Orientation(transposed=True, rows_flipped=False, cols_flipped=True),
    7: Orientation(transposed=True, rows_flipped=True, cols_flipped=True),
    8: Orientation(transposed=True, rows_flipped=True, cols_flipped=False),
}
"""EXIF and TIFF orientation → how to turn it upright."""
