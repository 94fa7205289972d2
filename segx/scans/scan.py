"""A scan: pixels on disk that are read a region at a time."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Extent, Region, Space
from segx.scans.closing import Closing

__all__ = ["Scan"]


class Scan(Closing, ABC):
    """An image as it is stored: no value, depth or channel is changed on the way.

    A scan is one plane, or several of equal size one behind the other. Opening it reads
    its headers only. Use it in a ``with`` block, or `close` it.

    Args:
        path: The file, as it was given; errors name it.
        extent: Rows and columns of a plane, in pixels, upright.
        channels: Number of channels; alpha counts.
        dtype: Type of the stored values.
        planes: Number of planes.
        spacing_mm: Height and width of a pixel in mm; None where the file is silent.
        space: Where a volume's voxels lie; it tells the spacing, too.
        levels: Size of each level of a pyramid, the full one first; None where there
            is no other.
    """

    level0_scale: tuple[float, float] = (1.0, 1.0)
    """Pixels of the file's full resolution in one of the scan's: rows, columns."""

    is_turned: bool = False
    """Whether the file says that its picture lies on its side, or is mirrored."""

    def __init__(
        self,
        path: Path,
        *,
        extent: Extent,
        channels: int,
        dtype: np.dtype[Any],
        planes: int = 1,
        spacing_mm: tuple[float, float] | None = None,
        space: Space | None = None,
        levels: tuple[Extent, ...] | None = None,
    ) -> None:
        self.path = path
        self.extent = extent
        self.channels = channels
        self.dtype = dtype
        self.planes = planes
        self.space = space
        self.spacing_mm = spacing_mm if space is None else space.pixel_mm
        self.levels = levels or (extent,)

    def read(self, region: Region, *, plane: int = 0, level: int = 0) -> NDArray[Any]:
        """Read a rectangle of pixels.

        Args:
            region: Where, in pixels of the level.
            plane: Which plane, counted from 0.
            level: Which level of the pyramid; 0 is the full resolution.

        Returns:
            Stored values, shape (rows, cols, channels).

        Raises:
            ScanError: If the region leaves the scan, there is no such plane or level,
                or the file is damaged.
        """
        if not (0 <= plane < self.planes and 0 <= level < len(self.levels)):
            raise ScanError(
                f"Plane {plane} at level {level} was asked of {self.path}, which has "
                f"{self.planes} and {len(self.levels)}, counted from 0."
            )
        extent = self.levels[level]
        inside = (
            min(region.top, region.left) >= 0
            and min(region.rows, region.cols) > 0
            and region.bottom <= extent.rows
            and region.right <= extent.cols
        )
        if not inside:
            raise ScanError(
                f"Rows {region.top} to {region.bottom} and columns {region.left} to "
                f"{region.right} were asked of {self.path}, which has {extent} px."
            )
        return self._read(region, plane=plane, level=level)

    def read_all(self, *, plane: int = 0) -> NDArray[Any]:
        """Read all pixels of a plane, shape (rows, cols, channels)."""
        return self.read(Region.whole(self.extent), plane=plane)

    @abstractmethod
    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        """Read a region that is known to lie inside the scan."""
