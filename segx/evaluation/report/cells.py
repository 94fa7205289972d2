"""Numbers of a summary as the tables and charts of a report take them."""

from segx.evaluation import bootstrap
from segx.evaluation.cases import SizeUnit
from segx.evaluation.confusion import Confusion
from segx.pages import Estimate, Matrix, Text

__all__ = [
    "MOST_CHARTS",
    "MOST_ROWS",
    "NO_INTERVAL",
    "confusion_matrix",
    "in_words",
    "shown",
]

MOST_CHARTS = 12
"""Charts of a kind, and columns of probabilities: one a class, of many the worst."""

_MOST_IN_MATRIX = 32

MOST_ROWS = 2000
"""Rows of the table of cases; the page stays small, and cases.csv holds them all."""

NO_INTERVAL = " (none where all draws of them agree)"
"""For captions of tables that show intervals."""


def shown(found: bootstrap.Estimate | None) -> Estimate | None:
    """A mean with its interval; None where it was not measured.

    Where all draws agree there is no interval to show.
    """
    if found is None:
        return None
    if found.draws_agree:
        return Estimate(found.value)
    return Estimate(found.value, found.low, found.high)


def confusion_matrix(caption: str, confusion: Confusion) -> Matrix | Text:
    """Counts by true and predicted class; of too many classes where they stand."""
    count = len(confusion.names)
    if count > _MOST_IN_MATRIX:
        return Text(f"{caption} Of {count} classes they are in summary.json alone.")
    return Matrix(caption, confusion.names, confusion.counts)


def in_words(unit: SizeUnit) -> str:
    """The unit of a size as one reads it.

    Examples:
        >>> in_words("mm3")
        'mm³'
    """
    return unit.replace("2", "²").replace("3", "³")
