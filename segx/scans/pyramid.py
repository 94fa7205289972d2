"""The smaller levels of a mask that viewers need, made while its bands come in."""

from typing import Self

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Extent
from segx.scans.resize import nearest

__all__ = ["PyramidLevel"]

_LONGEST = 2048  # a viewer shows this many pixels at once without a smaller level


class PyramidLevel:
    """A mask at a power of two below its size: each pixel is the nearest one.

    Together, what `pick` takes of all bands is `resize_mask` of the whole mask.

    Args:
        full: Size of the mask.
        factor: How many of the mask's pixels stand side by side in one of the level.
    """

    def __init__(self, full: Extent, *, factor: int) -> None:
        self.factor = factor
        self.extent = Extent(-(-full.rows // factor), -(-full.cols // factor))
        self.scale = full.rows / self.extent.rows, full.cols / self.extent.cols
        self._rows = nearest(full.rows, self.extent.rows)
        self._cols = nearest(full.cols, self.extent.cols)

    @classmethod
    def all_of(cls, full: Extent) -> tuple[Self, ...]:
        """The mask itself, and halves until one is small enough to be seen whole."""
        levels = [cls(full, factor=1)]
        while max(levels[-1].extent.rows, levels[-1].extent.cols) > _LONGEST:
            levels.append(cls(full, factor=2 * levels[-1].factor))
        return tuple(levels)

    def pick(self, band: NDArray[np.uint8], top: int) -> NDArray[np.uint8]:
        """Take the level's pixels of a band.

        Args:
            band: Ids over the mask's full width, shape (rows, cols[, classes]).
            top: Row of the mask at which the band begins.

        Returns:
            Shape (rows, cols[, classes]); no rows where the band has none of them.
        """
        if self.factor == 1:
            return band
        first, last = np.searchsorted(self._rows, (top, top + len(band)))
        rows = self._rows[first:last] - top
        return band[rows[:, np.newaxis], self._cols]
