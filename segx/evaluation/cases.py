"""One row a case and class: the counts, and the measures that are made of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from segx.errors import DataError
from segx.evaluation.records import Cell, read_table, write_table
from segx.metrics.overlap import Counts

__all__ = [
    "COLUMNS",
    "CaseRow",
    "Distances",
    "Size",
    "SizeUnit",
    "case_rows",
    "read_cases",
    "write_cases",
]

SizeUnit = Literal["px", "mm2", "mm3"]
Unit = TypeVar("Unit")

_COUNTS = ("tp", "fp", "fn", "tn")
_RATIOS = ("dice", "iou", "sensitivity", "precision", "volume_error")
_UNITS: dict[str, Literal["mm", "px"]] = {"mm": "mm", "px": "px"}
_SIZE_UNITS: dict[str, SizeUnit] = {"px": "px", "mm2": "mm2", "mm3": "mm3"}
_REQUIRED = ("case", "patient", "class", *_COUNTS)

COLUMNS = (
    *_REQUIRED,
    *_RATIOS,
    "hd95",
    "nsd",
    "tolerance",
    "unit",
    "truth_size",
    "size_unit",
)
"""The columns of cases.csv, in order; those after the counts may be missing."""


@dataclass(frozen=True, slots=True)
class Distances:
    """How far the surfaces of truth and prediction lie apart; see `Surface`.

    Args:
        hd95: 95th percentile of the distances, in `unit`.
        nsd: Share of the surfaces within `tolerance`; None if that was not given.
        tolerance: In `unit`.
        unit: ``mm``, or ``px`` where the pixels' size is unknown.
    """

    hd95: float
    nsd: float | None
    tolerance: float | None
    unit: Literal["mm", "px"]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a class the truth holds: pixels, an area or a volume."""

    value: float
    unit: SizeUnit


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What one whole case says of one class.

    Args:
        case: Name of the case.
        patient: Whom it is of; None if unknown.
        class_name: Name of a foreground class.
        counts: Pixels at the case's native size, ignored ones left out.
        distances: Between the surfaces; None where they were not measured.
        truth_size: Size of the class in the truth; None in files of earlier versions.
    """

    case: str
    patient: str | None
    class_name: str
    counts: Counts
    distances: Distances | None = None
    truth_size: Size | None = None

    @property
    def size(self) -> Size:
        """Size of the class in the truth, in pixels where nothing better is known."""
        return self.truth_size or Size(self.counts.tp + self.counts.fn, "px")

    @property
    def nsd(self) -> float | None:
        """Share of the surfaces within the tolerance; None if it was not measured."""
        return None if self.distances is None else self.distances.nsd

    @property
    def cluster(self) -> str:
        """What cases of one patient share; a case of an unknown one is its own."""
        if self.patient is None:
            return f"case {self.case}"
        return f"patient {self.patient}"


def case_rows(
    case: str, counts: Mapping[str, Counts], *, patient: str | None = None
) -> list[CaseRow]:
    """The rows of one case, a class each, without distances, sizes in pixels."""
    return [
        CaseRow(case, patient, name, count, truth_size=Size(count.tp + count.fn, "px"))
        for name, count in counts.items()
    ]


def write_cases(path: Path, rows: Iterable[CaseRow]) -> None:
    """Write cases.csv: names, counts, and the measures to full precision.

    An undefined measure is ``nan``, one that was not taken an empty cell.
    """
    write_table(path, COLUMNS, (_cells(row) for row in rows))


def read_cases(path: Path) -> list[CaseRow]:
    """Read cases.csv; the ratios are not read but follow from the counts.

    Raises:
        DataError: If the file can't be read, or a cell holds what can't be there.
    """
    rows = []
    for number, line in enumerate(read_table(path, _REQUIRED), start=2):
        try:
            rows.append(_row(line))
        except ValueError as error:
            raise DataError(
                f"{path}, row {number}: {error}. Counts are whole numbers, distances "
                "and sizes numbers. Write the file again with segx test."
            ) from error
    return rows


def _cells(row: CaseRow) -> tuple[Cell, ...]:
    found = row.distances
    return (
        row.case,
        row.patient,
        row.class_name,
        *(getattr(row.counts, column) for column in (*_COUNTS, *_RATIOS)),
        *(
            (found.hd95, found.nsd, found.tolerance, found.unit)
            if found
            else [None] * 4
        ),
        *(
            (row.truth_size.value, row.truth_size.unit)
            if row.truth_size
            else [None] * 2
        ),
    )


def _row(line: Mapping[str, str]) -> CaseRow:
    """A row from its cells; a ValueError says what is wrong."""
    size = distances = None
    if line.get("truth_size"):
        size = Size(float(line["truth_size"]), _unit(line["size_unit"], _SIZE_UNITS))
    if line.get("hd95"):
        distances = Distances(
            float(line["hd95"]),
            float(line["nsd"]) if line["nsd"] else None,
            float(line["tolerance"]) if line["tolerance"] else None,
            _unit(line["unit"], _UNITS),
        )
    return CaseRow(
        line["case"],
        line["patient"] or None,
        line["class"],
        Counts(*(int(line[column]) for column in _COUNTS)),
        distances,
        size,
    )


def _unit(text: str, units: Mapping[str, Unit]) -> Unit:
    if text not in units:
        raise ValueError(f"{text!r} is no unit; allowed are {', '.join(units)}")
    return units[text]
