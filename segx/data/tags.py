"""Labels of images that may be of several classes: a column of 0 and 1 for each."""

from collections.abc import Callable, Sequence

from segx.data.table import Row
from segx.errors import DataError
from segx.labels import UNKNOWN

__all__ = ["name_tags", "read_tags"]

_MEANINGS = {"1": 1, "1.0": 1, "0": 0, "0.0": 0}


def read_tags(
    row: Row, columns: Sequence[str], *, on_unclear: Callable[[str, str], None]
) -> tuple[int, ...] | None:
    """Read what one row says of each class.

    Args:
        row: The row.
        columns: A column a class; an empty cell says that nobody knows.
        on_unclear: Called with the column and the text of a cell that says nothing
            else either.

    Returns:
        1, 0 or `UNKNOWN` for each column; None where not one is known.
    """
    tags = []
    for name in columns:
        cell = row.get(name)
        if cell is not None and cell not in _MEANINGS:
            on_unclear(name, cell)
        tags.append(_MEANINGS.get(cell or "", UNKNOWN))
    return tuple(tags) if any(tag != UNKNOWN for tag in tags) else None


def name_tags(
    columns: tuple[str, ...], classes: tuple[str, ...] | None
) -> tuple[str, ...]:
    """What the classes are called: as `classes` says, or as the columns are.

    Raises:
        DataError: If `classes` are of another number.
    """
    if classes is None or not columns:
        return columns
    if len(classes) != len(columns):
        raise DataError(
            f"data.classes names {len(classes)} classes and data.columns.label "
            f"{len(columns)} columns. Name one class for each column."
        )
    return classes
