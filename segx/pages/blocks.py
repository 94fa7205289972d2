"""What a page says: sections of text, numbers, tables, charts and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from segx.pages.pictures import Line, Picture

__all__ = [
    "Block",
    "Cell",
    "Chart",
    "Charts",
    "Column",
    "Estimate",
    "Facts",
    "Gallery",
    "Headline",
    "Listing",
    "Matrix",
    "Notice",
    "Page",
    "Section",
    "Share",
    "Table",
    "Text",
]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and the interval around it; nan where there is none."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, in [0, 1], shown as a percentage and a bar."""

    value: float


Cell: TypeAlias = str | int | float | Estimate | Share | None
"""What a table's cell holds; None and nan are shown as a dash."""


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column.

    Args:
        title: Its head, with the unit where there is one.
        digits: Digits after the point of its fractions.
        is_text: Whether it stands to the left, as words do.
    """

    title: str
    digits: int = 3
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; a policy says what the numbers beside it mean."""

    kind: ClassVar[str] = "text"
    text: str
    is_policy: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What must not be overlooked, with a level that is also written out."""

    kind: ClassVar[str] = "notice"
    level: Literal["error", "warning", "note"]
    text: str


@dataclass(frozen=True, slots=True)
class Headline:
    """The few numbers that a reader came for: name, number, what is counted."""

    kind: ClassVar[str] = "headline"
    numbers: Sequence[tuple[str, Cell, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its caption says what it is, n and unit.

    Args:
        caption: Stands above the table.
        columns: One a cell of each row.
        rows: From top to bottom.
        totals: Rows set apart at the end.
        is_long: Whether the reader may sort and search it, where scripts run.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    totals: Sequence[Sequence[Cell]] = ()
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class Matrix:
    """How often each true class (a row) was taken for each class (a column).

    Args:
        caption: What is counted, and n.
        names: Of the classes, in both directions.
        counts: One row a true class.
    """

    kind: ClassVar[str] = "matrix"
    caption: str
    names: Sequence[str]
    counts: Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of `segx.pages.charts`; its caption says what it is, n and unit."""

    svg: str
    caption: str


@dataclass(frozen=True, slots=True)
class Charts:
    """Drawings side by side, as many as there is room for."""

    kind: ClassVar[str] = "charts"
    charts: Sequence[Chart]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures side by side under one caption; the contours can be hidden."""

    kind: ClassVar[str] = "gallery"
    caption: str
    pictures: Sequence[Picture]

    @property
    def legend(self) -> tuple[Line, ...]:
        """Every kind of contour that is drawn somewhere, once."""
        drawn = (item.line for shown in self.pictures for item in shown.contours)
        return tuple(dict.fromkeys(drawn))


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they stand for."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Listing:
    """Text as it stands in a file, folded away under a title."""

    kind: ClassVar[str] = "listing"
    title: str
    text: str


Block: TypeAlias = (
    Text | Notice | Headline | Table | Matrix | Charts | Gallery | Facts | Listing
)
"""What a section is made of."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it."""

    heading: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page.

    Args:
        kicker: What kind of page it is, small above the title.
        title: Its name.
        lead: One sentence under the title.
        top: Stands before the first heading.
        sections: The page, from top to bottom.
        foot: The last line.
    """

    kicker: str
    title: str
    lead: str
    top: Sequence[Block]
    sections: Sequence[Section]
    foot: str
