"""Sizes and places as frozen values: in pixels, rows first from the top left; in mm."""

from dataclasses import dataclass

__all__ = [
    "PLACE_ROUNDING_MM",
    "TURN_ROUNDING",
    "Extent",
    "Region",
    "Space",
    "Tile",
    "Vector",
]

Vector = tuple[float, float, float]
"""Left, posterior, superior: the axes that DICOM gives a patient."""

PLACE_ROUNDING_MM, TURN_ROUNDING = 1e-2, 1e-3
"""How far an origin and a direction may differ in two headers of one place: NIfTI keeps
32 bits, others a few decimals."""


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

    def within(self, extent: Extent) -> "Region":
        """The part that lies on a scan which ends above or left of its end.

        Examples:
            >>> Region(2, 3, 4, 5).within(Extent(4, 10))
            Region(top=2, left=3, rows=2, cols=5)
        """
        rows = min(self.bottom, extent.rows) - self.top
        cols = min(self.right, extent.cols) - self.left
        return Region(self.top, self.left, rows, cols)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the region in an array of shape (rows, cols, ...)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True)
class Tile(Region):
    """A region that knows its place in the grid that covers a scan."""

    grid_row: int
    grid_col: int


@dataclass(frozen=True, slots=True)
class Space:
    """Where the voxels of a volume lie in the patient, in mm.

    Args:
        spacing_mm: Distance from one plane, row and column to the next.
        origin_mm: Centre of the first voxel of the first plane.
        directions: Unit vectors along which planes, rows and columns follow each other.

    Examples:
        >>> Space((5.0, 0.7, 0.7)).pixel_mm
        (0.7, 0.7)
    """

    spacing_mm: tuple[float, float, float]
    origin_mm: Vector = (0.0, 0.0, 0.0)
    directions: tuple[Vector, Vector, Vector] = (
        (0.0, 0.0, 1.0),
        (0.0, 1.0, 0.0),
        (1.0, 0.0, 0.0),
    )

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Height and width of a pixel within a plane."""
        return self.spacing_mm[1], self.spacing_mm[2]

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel."""
        planes, rows, cols = self.spacing_mm
        return planes * rows * cols

    def reordered(self, order: tuple[int, int, int]) -> "Space":
        """The same voxels, with other axes for planes, rows and columns.

        Args:
            order: Of planes, rows and columns, which axis each is taken from.

        Examples:
            >>> Space((5.0, 0.7, 0.6)).reordered((2, 0, 1)).spacing_mm
            (0.6, 5.0, 0.7)
        """
        planes, rows, cols = order
        spacing, along = self.spacing_mm, self.directions
        return Space(
            (spacing[planes], spacing[rows], spacing[cols]),
            self.origin_mm,
            (along[planes], along[rows], along[cols]),
        )
