"""Sizes and places in pixels, as frozen values: rows first, from the top left."""

from dataclasses import dataclass

__all__ = ["Extent", "Region", "Tile"]


@dataclass(frozen=True, slots=True)
class Extent:
    """A size in pixels."""

    rows: int
    cols: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.rows * self.cols

    def __str__(self) -> str:
        return f"{self.rows}x{self.cols}"


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of pixels inside a scan.

    Examples:
        >>> Region(top=2, left=3, rows=4, cols=5).slices
        (slice(2, 6, None), slice(3, 8, None))
    """

    top: int
    left: int
    rows: int
    cols: int

    @classmethod
    def whole(cls, extent: Extent) -> "Region":
        """The region that covers all of `extent`."""
        return cls(0, 0, extent.rows, extent.cols)

    @property
    def bottom(self) -> int:
        """First row below the region."""
        return self.top + self.rows

    @property
    def right(self) -> int:
        """First column right of the region."""
        return self.left + self.cols

    @property
    def extent(self) -> Extent:
        """The region's size."""
        return Extent(self.rows, self.cols)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the region in an array of shape (rows, cols, ...)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True)
class Tile(Region):
    """A region that knows its place in the grid that covers a scan."""

    grid_row: int
    grid_col: int
