"""Labels of images that may be of several classes: a column of 0 and 1 for each."""

from collections.abc import Callable, Sequence

from segx.data.table import Row
from segx.errors import DataError
from segx.labels import UNKNOWN

__all__ = ["name_findings", "read_findings"]

_MEANINGS = {"1": 1, "1.0": 1, "0": 0, "0.0": 0}


def read_findings(
    row: Row,
    columns: Sequence[str],
    *,
    needed: bool,
    on_defect: Callable[[str], None],
) -> tuple[int, ...] | None:
    """Read what one row says of each class.

    Args:
        row: The row.
        columns: A column a class; an empty cell says that nobody knows.
        needed: Whether something must be known.
        on_defect: Called with each thing that is wrong.

    Returns:
        1, 0 or `UNKNOWN` for each column; None where not one is known.
    """
    findings = []
    for name in columns:
        cell = row.get(name)
        if cell is not None and cell not in _MEANINGS:
            on_defect(f"{name} is {cell!r}. Allowed: 1, 0, or nothing if unknown.")
        findings.append(_MEANINGS.get(cell or "", UNKNOWN))
    if any(finding != UNKNOWN for finding in findings):
        return tuple(findings)
    if columns and needed:
        on_defect(f"nothing is known of {', '.join(columns)}: leave the row out.")
    return None


def name_findings(
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
