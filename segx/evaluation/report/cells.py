"""Numbers of a summary as the tables and charts of a report take them."""

from segx.evaluation import bootstrap
from segx.evaluation.cases import SizeUnit
from segx.pages import Estimate

__all__ = ["MOST_ROWS", "NO_INTERVAL", "in_words", "shown"]

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


def in_words(unit: SizeUnit) -> str:
    """The unit of a size as one reads it.

    Examples:
        >>> in_words("mm3")
        'mm³'
    """
    return unit.replace("2", "²").replace("3", "³")
