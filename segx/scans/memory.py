"""An array that is read like a file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.scan import Scan

__all__ = ["ArrayScan"]


class ArrayScan(Scan):
    """An image in memory.

    Args:
        array: Shape (rows, cols) or (rows, cols, channels).
        path: What errors call it.

    Raises:
        ScanError: If the array has another number of axes, or no pixels.

    Examples:
        >>> ArrayScan(np.zeros((4, 6), np.uint8)).extent
        Extent(rows=4, cols=6)
    """

    def __init__(self, array: NDArray[Any], *, path: Path = Path("<array>")) -> None:
        image = array[..., np.newaxis] if array.ndim == 2 else array
        if image.ndim != 3 or image.size == 0:
            raise ScanError(
                f"An array of shape {array.shape} is no image. Give (rows, cols) or "
                "(rows, cols, channels), with at least one pixel."
            )
        rows, cols, channels = image.shape
        super().__init__(
            path, extent=Extent(rows, cols), channels=channels, dtype=array.dtype
        )
        self._image = image

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        return self._image[region.slices]
