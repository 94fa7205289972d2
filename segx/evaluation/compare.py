"""Two models on the same cases: paired differences, with intervals."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.evaluation.bootstrap import Estimate, Resampling
from segx.evaluation.cases import CaseRow
from segx.evaluation.summary import common_distances, metric_values, rows_by_class
from segx.metrics.overlap import defined_mean

__all__ = [
    "METRICS",
    "NAMES",
    "Comparison",
    "Difference",
    "PairedMetric",
    "compare",
    "results_file",
    "shared_patients",
    "verdict",
]

_logger = logging.getLogger(__name__)

PairedMetric = Literal["dice", "iou", "sensitivity", "precision", "nsd"]

METRICS: tuple[PairedMetric, ...] = ("dice", "iou", "sensitivity", "precision", "nsd")
"""What two models can be compared by: the larger, the better."""

NAMES = ("the first", "the second")
"""What two models are called that have no names of their own."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first, over the cases where both are defined.

    Args:
        name: Name of the class, or ``foreground``.
        first: Mean of the first model over these cases.
        second: Mean of the second.
        difference: Mean of the differences, with its interval.
        wins: Cases in which the second model is better.
        losses: Cases in which it is worse.
        n_only_first: Cases where only the first is defined; for Dice, it found
            something where there is nothing, and the second did not.
        n_only_second: Likewise.
    """

    name: str
    first: float
    second: float
    difference: Estimate
    wins: int
    losses: int
    n_only_first: int
    n_only_second: int

    def verdict(self, names: tuple[str, str] = NAMES) -> str:
        """Whether the interval excludes 0, in words."""
        return verdict(self.difference, names=names)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the cases that both were measured on.

    Args:
        metric: What they are compared by.
        foreground: Differences averaged over the classes.
        classes: One a class.
        n_cases: Number of common cases.
        n_patients: Of so many patients.
        only_first: Cases that only the first model was measured on.
        only_second: Likewise.
    """

    metric: PairedMetric
    foreground: Difference
    classes: tuple[Difference, ...]
    n_cases: int
    n_patients: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def compare(
    first: Sequence[CaseRow],
    second: Sequence[CaseRow],
    *,
    metric: PairedMetric = "dice",
) -> Comparison:
    """Compare two models case by case; patients are drawn anew, in pairs.

    Args:
        first: Rows of the first model, one a case and class.
        second: Rows of the second.
        metric: What to compare.

    Raises:
        DataError: If the classes or a case's patient differ, no case is common, or
            the metric was not measured.
    """
    sides = (rows_by_class(first), rows_by_class(second))
    if metric == "nsd":
        _check_nsd([*first, *second])
    if set(sides[0]) != set(sides[1]):
        raise DataError(
            f"The first was measured on the classes {list(sides[0])}, the second on "
            f"{list(sides[1])}. Compare models of the same classes."
        )
    cases = [{row.case for row in next(iter(side.values()))} for side in sides]
    common = cases[0] & cases[1]
    if not common:
        raise DataError(
            f"No case is in both: {min(cases[0])!r}, … and {min(cases[1])!r}, …. "
            "Compare models that were measured on the same cases."
        )
    pairs = _common(sides, common)
    table = {
        name: np.stack([metric_values(rows, metric) for rows in pair])
        for name, pair in pairs.items()
    }
    one, other = next(iter(pairs.values()))
    known = shared_patients(
        {
            row.case: (row.patient, twin.patient)
            for row, twin in zip(one, other, strict=True)
        }
    )
    rows = [replace(row, patient=known[row.case]) for row in one]
    resampling = Resampling([row.cluster for row in rows])
    return Comparison(
        metric=metric,
        foreground=_difference("foreground", list(table.values()), resampling),
        classes=tuple(
            _difference(name, [values], resampling) for name, values in table.items()
        ),
        n_cases=len(common),
        n_patients=resampling.n_patients,
        only_first=tuple(sorted(cases[0] - common)),
        only_second=tuple(sorted(cases[1] - common)),
    )


def shared_patients(
    named: Mapping[str, tuple[str | None, str | None]],
) -> dict[str, str | None]:
    """Whom each case is of, so that both models draw the same patients.

    Where only one knows the patient, that one is believed; and that is said.

    Args:
        named: By case, the patient as the first names it and as the second does.

    Raises:
        DataError: If they name two patients for a case.
    """
    for case, (one, other) in named.items():
        if one is not None and other is not None and one != other:
            raise DataError(
                f"{case!r} is of patient {one!r} in the first and of {other!r} in the "
                "second. Measure both with the same patients."
            )
    alone = sum((one is None) != (other is None) for one, other in named.values())
    if alone:
        _logger.warning(
            "Of %d cases only one of the two knows the patient, which is taken for "
            "both.",
            alone,
        )
    return {case: other if one is None else one for case, (one, other) in named.items()}


def verdict(
    difference: Estimate,
    *,
    smaller: bool = False,
    names: tuple[str, str] = NAMES,
) -> str:
    """What the interval of a difference says, in words.

    Args:
        difference: Second minus first.
        smaller: Whether smaller is better.
        names: What to call the two.
    """
    low, high = difference.low, difference.high
    if math.isnan(low):
        return "too few patients to tell"
    if low <= 0 <= high:
        return "no difference shown: the interval holds 0"
    better = names[(low > 0) != smaller]
    return f"{better} is better: the interval excludes 0"


def results_file(path: Path) -> Path:
    """The cases.csv of a run (its test cases) or of a folder of results, or itself.

    Raises:
        DataError: If there is none.
    """
    places = (path / "test" / "cases.csv", path / "cases.csv")
    files = [place for place in places if place.is_file()]
    if path.is_dir() and not files:
        is_run = (path / "config.yaml").is_file()
        how = f"test {path}" if is_run else f"evaluate TRUTH {path} -o OUT"
        raise DataError(
            f"{path} holds no test/cases.csv and no cases.csv. Measure it first: segx "
            f"{how}"
        )
    return files[0] if files else path


def _check_nsd(rows: Sequence[CaseRow]) -> None:
    common_distances(rows)
    if any(row.nsd is None for row in rows):
        raise DataError(
            "nsd was not measured in both. Measure them again with one --tolerance."
        )


def _difference(
    name: str, classes: Sequence[NDArray[np.float64]], resampling: Resampling
) -> Difference:
    """Difference over some classes, each (2, cases)."""
    first, second = np.stack(classes, axis=2)  # (cases, classes)
    gap = second - first  # nan where either is
    of_case = np.array([defined_mean(row) for row in gap.tolist()])
    return Difference(
        name=name,
        first=_mean(first, where=gap),
        second=_mean(second, where=gap),
        difference=resampling.mean_of_means(gap),
        wins=int(np.count_nonzero(of_case > 0)),
        losses=int(np.count_nonzero(of_case < 0)),
        n_only_first=_cases(np.isnan(second) & ~np.isnan(first)),
        n_only_second=_cases(np.isnan(first) & ~np.isnan(second)),
    )


def _mean(values: NDArray[np.float64], *, where: NDArray[np.float64]) -> float:
    """Mean of the class means over the cases where another array is defined."""
    kept = np.where(np.isnan(where), np.nan, values)
    return defined_mean(defined_mean(column) for column in kept.T.tolist())


def _cases(of_class: NDArray[np.bool_]) -> int:
    """Number of cases where it holds for a class."""
    return int(np.count_nonzero(of_class.any(axis=1)))


def _common(
    sides: tuple[dict[str, list[CaseRow]], dict[str, list[CaseRow]]], cases: set[str]
) -> dict[str, tuple[list[CaseRow], list[CaseRow]]]:
    """The rows of the common cases, by class, in the same order on both sides."""
    first, second = (
        {
            name: [row for row in rows if row.case in cases]
            for name, rows in side.items()
        }
        for side in sides
    )
    for name, rows in first.items():
        for one, other in zip(rows, second[name], strict=True):
            _refuse_another_truth(one, other)
    return {name: (first[name], second[name]) for name in first}


def _refuse_another_truth(one: CaseRow, other: CaseRow) -> None:
    sizes = [row.counts.tp + row.counts.fn for row in (one, other)]
    if sizes[0] != sizes[1]:
        raise DataError(
            f"The truth of {one.case!r} has {sizes[0]} px of {one.class_name!r} in the "
            f"first and {sizes[1]} in the second. Measure both on the same truth."
        )
