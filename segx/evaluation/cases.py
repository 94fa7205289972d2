"""One row a case and class: the counts, and the ratios that are made of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segx.errors import DataError
from segx.evaluation.records import read_table, write_table
from segx.metrics.overlap import Counts

__all__ = ["COLUMNS", "CaseRow", "case_rows", "read_cases", "write_cases"]

_COUNTS = ("tp", "fp", "fn", "tn")
_RATIOS = ("dice", "iou", "sensitivity", "precision")

COLUMNS = ("case", "patient", "class", *_COUNTS, *_RATIOS)
"""The columns of cases.csv, in order."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What one whole case says of one class.

    Args:
        case: Name of the case.
        patient: Whom it is of; None if unknown.
        class_name: Name of a foreground class.
        counts: Pixels at the case's native size, ignored ones left out.
    """

    case: str
    patient: str | None
    class_name: str
    counts: Counts


def case_rows(
    case: str, counts: Mapping[str, Counts], *, patient: str | None = None
) -> list[CaseRow]:
    """The rows of one case, a class each."""
    return [CaseRow(case, patient, name, count) for name, count in counts.items()]


def write_cases(path: Path, rows: Iterable[CaseRow]) -> None:
    """Write cases.csv: names, counts, and the ratios to full precision."""
    lines = (
        (
            row.case,
            row.patient,
            row.class_name,
            *(getattr(row.counts, column) for column in (*_COUNTS, *_RATIOS)),
        )
        for row in rows
    )
    write_table(path, COLUMNS, lines)


def read_cases(path: Path) -> list[CaseRow]:
    """Read cases.csv; the ratios are not read but follow from the counts.

    Raises:
        DataError: If the file can't be read, or a count is no whole number.
    """
    rows = []
    for number, line in enumerate(read_table(path, COLUMNS), start=2):
        try:
            counts = Counts(*(int(line[column]) for column in _COUNTS))
        except ValueError as error:
            found = [line[column] for column in _COUNTS]
            raise DataError(
                f"{path}, row {number}: tp, fp, fn, tn are {found}; allowed are whole "
                "numbers. Write the file again with segx test."
            ) from error
        rows.append(
            CaseRow(line["case"], line["patient"] or None, line["class"], counts)
        )
    return rows
