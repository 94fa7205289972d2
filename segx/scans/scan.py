"""A scan: pixels on disk that are read a region at a time."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Extent, Region

__all__ = ["Scan"]


class Scan(ABC):
    """An image as it is stored: no value, depth or channel is changed on the way.

    Opening a scan reads its headers only. Use it in a ``with`` block, or `close` it.

    Args:
        path: The file, as it was given; errors name it.
        extent: Rows and columns, in pixels, upright.
        channels: Number of channels; alpha counts.
        dtype: Type of the stored values.
        spacing_mm: Height and width of a pixel in mm; None where the file is silent.
    """

    def __init__(
        self,
        path: Path,
        *,
        extent: Extent,
        channels: int,
        dtype: np.dtype[Any],
        spacing_mm: tuple[float, float] | None = None,
    ) -> None:
        self.path = path
        self.extent = extent
        self.channels = channels
        self.dtype = dtype
        self.spacing_mm = spacing_mm

    def read(self, region: Region) -> NDArray[Any]:
        """Read a rectangle of pixels.

        Returns:
            Stored values, shape (rows, cols, channels).

        Raises:
            ScanError: If the region leaves the scan, or the file is damaged.
        """
        inside = (
            min(region.top, region.left) >= 0
            and min(region.rows, region.cols) > 0
            and region.bottom <= self.extent.rows
            and region.right <= self.extent.cols
        )
        if not inside:
            raise ScanError(
                f"Rows {region.top} to {region.bottom} and columns {region.left} to "
                f"{region.right} were asked of {self.path}, which has {self.extent} px."
            )
        return self._read(region)

    def read_all(self) -> NDArray[Any]:
        """Read all pixels, shape (rows, cols, channels)."""
        return self.read(Region.whole(self.extent))

    def close(self) -> None:  # noqa: B027 — an array has nothing to let go of
        """Let go of the file; reading ends here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _read(self, region: Region) -> NDArray[Any]:
        """Read a region that is known to lie inside the scan."""
