"""Means over cases by one stated policy, with what a mean can't say beside it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.evaluation.bootstrap import Estimate, Resampling
from segx.evaluation.cases import CaseRow, Distances, SizeUnit
from segx.evaluation.confusion import Confusion
from segx.evaluation.provenance import Provenance
from segx.metrics.calibration import Reliability
from segx.metrics.overlap import Counts, defined_mean

__all__ = [
    "POLICY",
    "ClassSummary",
    "Distance",
    "ForegroundSummary",
    "SizeGroup",
    "Summary",
    "common_distances",
    "metric_values",
    "rows_by_class",
    "summarise",
]

POLICY = (
    "Per class: mean over whole cases at native size; a case with neither truth nor "
    "prediction of the class is undefined and left out. Foreground: mean of the class "
    "means, background excluded. Intervals: 95 %, patients drawn anew 2000 times. "
    "hd95: median over the cases where both surfaces exist; the others are counted as "
    "failures. dice_global pools the pixels of all cases and is secondary."
)
"""What the numbers mean; written and printed beside them."""

_SIZE_GROUPS = 3


@dataclass(frozen=True, slots=True)
class Distance:
    """Distances of surfaces over cases: no mean from which misses have dropped.

    Args:
        median: Over the cases where both surfaces exist; nan if there is none.
        n: Number of these cases.
        n_failures: Cases where only one of truth and prediction has the class.
        unit: ``mm`` or ``px``.
    """

    median: float
    n: int
    n_failures: int
    unit: Literal["mm", "px"]


@dataclass(frozen=True, slots=True)
class SizeGroup:
    """The cases whose truth has about the same size: a third of those with the class.

    Args:
        smallest: Size of the smallest truth.
        largest: Size of the largest.
        unit: Of both sizes.
        dice: Mean over the group.
    """

    smallest: float
    largest: float
    unit: SizeUnit
    dice: Estimate


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """One class over all cases; a mean is nan if it is defined in no case.

    Args:
        name: Name of the class.
        dice: Mean over the cases where it is defined; so are the next four.
        iou: See `dice`.
        sensitivity: See `dice`.
        precision: See `dice`.
        volume_error: See `dice`; too much and too little cancel out.
        nsd: See `dice`; None where it was not measured.
        hd95: Distances of the surfaces; None where they were not measured.
        presence_sensitivity: Share of the cases with the class where any of it was
            predicted, right or wrong.
        presence_specificity: Share of the cases without it where none was predicted.
        dice_global: Dice of the pooled counts: secondary.
        n_defined: Cases where Dice is defined.
        n_empty_truth: Cases without the class in the truth.
        n_false_positive_on_empty: Those of them where it was predicted.
        n_missed: Cases with the class in the truth and not one pixel of it found.
        by_size: Dice by size of the truth, small to large; empty if fewer than three
            cases have the class.
        reliability: Probability against frequency, over all pixels that count; None
            where only masks are known.
    """

    name: str
    dice: Estimate
    iou: Estimate
    sensitivity: Estimate
    precision: Estimate
    volume_error: Estimate
    nsd: Estimate | None
    hd95: Distance | None
    presence_sensitivity: Estimate
    presence_specificity: Estimate
    dice_global: float
    n_defined: int
    n_empty_truth: int
    n_false_positive_on_empty: int
    n_missed: int
    by_size: tuple[SizeGroup, ...] = ()
    reliability: Reliability | None = None


@dataclass(frozen=True, slots=True)
class ForegroundSummary:
    """Means of the class means, background excluded.

    Args:
        dice: The headline.
        iou: See `dice`.
        sensitivity: See `dice`.
        precision: See `dice`.
        nsd: See `dice`; None where it was not measured.
        dice_global: Mean of the classes' pooled Dice: secondary.
    """

    dice: Estimate
    iou: Estimate
    sensitivity: Estimate
    precision: Estimate
    nsd: Estimate | None
    dice_global: float


@dataclass(frozen=True, slots=True)
class Summary:
    """All classes over all cases.

    Args:
        foreground: Means of the class means: the headline.
        classes: One summary a foreground class.
        n_cases: Number of cases.
        n_patients: Number of patients; a case of an unknown one counts as its own.
        tolerance: Distance that `nsd` allows, in `unit`; None where none was given.
        unit: Of distances; None where they were not measured.
        confusion: Pooled pixels by truth and prediction; None for multilabel masks
            and where only counts are known.
        provenance: How the numbers came about; None where that is not known.
    """

    foreground: ForegroundSummary
    classes: tuple[ClassSummary, ...]
    n_cases: int
    n_patients: int
    tolerance: float | None = None
    unit: Literal["mm", "px"] | None = None
    confusion: Confusion | None = None
    provenance: Provenance | None = None


def summarise(
    rows: Iterable[CaseRow],
    *,
    confusion: Confusion | None = None,
    reliability: Mapping[str, Reliability] | None = None,
    provenance: Provenance | None = None,
) -> Summary:
    """Aggregate rows by the policy; their order changes nothing.

    Args:
        rows: One row a case and class.
        confusion: What rows can't tell, see `Summary`.
        reliability: By class, see `ClassSummary`.
        provenance: See `Summary`.

    Raises:
        DataError: If there is no row, a case has a class twice or lacks one, or
            distances have different units or tolerances.
    """
    by_class = rows_by_class(rows)
    first = next(iter(by_class.values()))
    resampling = Resampling([row.cluster for row in first])
    measured = common_distances([row for cases in by_class.values() for row in cases])
    bins = reliability or {}
    return Summary(
        foreground=_foreground(by_class.values(), resampling),
        classes=tuple(
            _of_class(name, cases, resampling, bins.get(name))
            for name, cases in by_class.items()
        ),
        n_cases=len(first),
        n_patients=resampling.n_patients,
        tolerance=measured.tolerance if measured else None,
        unit=measured.unit if measured else None,
        confusion=confusion,
        provenance=provenance,
    )


def rows_by_class(rows: Iterable[CaseRow]) -> dict[str, list[CaseRow]]:
    """Rows of each class, sorted by case; every class has the same cases.

    Raises:
        DataError: If there is no row, or a case has a class twice or lacks one.
    """
    by_class: dict[str, dict[str, CaseRow]] = {}
    for row in rows:
        cases = by_class.setdefault(row.class_name, {})
        if row.case in cases:
            raise DataError(
                f"Case {row.case!r} has the class {row.class_name!r} twice. Give each "
                "case its own name, or remove the repeated row."
            )
        cases[row.case] = row
    everyone = set().union(*by_class.values())
    if not everyone:
        raise DataError("There is no case to summarise. Give at least one row.")
    for name, cases in by_class.items():
        missing = sorted(everyone - cases.keys())
        if missing:
            raise DataError(
                f"The class {name!r} has no row for {len(missing)} of {len(everyone)} "
                f"cases ({missing[0]!r}, …). Every case needs a row for every class."
            )
    return {
        name: [cases[case] for case in sorted(cases)]
        for name, cases in by_class.items()
    }


def metric_values(rows: Sequence[CaseRow], metric: str) -> NDArray[np.float64]:
    """A measure of each row, (n,); nan where it is undefined or was not taken."""
    if metric == "nsd":
        return np.array([math.nan if row.nsd is None else row.nsd for row in rows])
    return np.array([getattr(row.counts, metric) for row in rows], np.float64)


def common_distances(rows: Sequence[CaseRow]) -> Distances | None:
    """Distances that stand for all, which have one unit and one tolerance.

    Returns:
        None where no row has any.

    Raises:
        DataError: If units or tolerances differ.
    """
    found = [row.distances for row in rows if row.distances is not None]
    kinds = {(item.unit, item.tolerance) for item in found}
    if len(kinds) > 1:
        listed = ", ".join(sorted(f"{unit} (tolerance {tau})" for unit, tau in kinds))
        raise DataError(
            f"Distances are in {listed}: they can't be put into one number. Measure "
            "all cases with one tolerance, and give the pixel size of those that do "
            "not tell it."
        )
    return found[0] if found else None


def _foreground(
    by_class: Iterable[Sequence[CaseRow]], resampling: Resampling
) -> ForegroundSummary:
    classes = list(by_class)

    def mean(metric: str) -> Estimate:
        values = [metric_values(rows, metric) for rows in classes]
        return resampling.mean_of_means(np.stack(values, axis=1))

    has_nsd = all(_has_nsd(rows) for rows in classes)
    return ForegroundSummary(
        dice=mean("dice"),
        iou=mean("iou"),
        sensitivity=mean("sensitivity"),
        precision=mean("precision"),
        nsd=mean("nsd") if has_nsd else None,
        dice_global=defined_mean(_pooled(rows).dice for rows in classes),
    )


def _of_class(
    name: str,
    rows: Sequence[CaseRow],
    resampling: Resampling,
    reliability: Reliability | None,
) -> ClassSummary:
    cases = [row.counts for row in rows]
    real = np.array([case.tp + case.fn > 0 for case in cases])
    named = np.array([case.tp + case.fp > 0 for case in cases])
    found = np.array([case.tp > 0 for case in cases])
    return ClassSummary(
        name=name,
        dice=resampling.mean(metric_values(rows, "dice")),
        iou=resampling.mean(metric_values(rows, "iou")),
        sensitivity=resampling.mean(metric_values(rows, "sensitivity")),
        precision=resampling.mean(metric_values(rows, "precision")),
        volume_error=resampling.mean(metric_values(rows, "volume_error")),
        nsd=resampling.mean(metric_values(rows, "nsd")) if _has_nsd(rows) else None,
        hd95=_distance(rows),
        presence_sensitivity=resampling.mean(np.where(real, named, np.nan)),
        presence_specificity=resampling.mean(np.where(real, np.nan, ~named)),
        dice_global=_pooled(rows).dice,
        n_defined=int(np.count_nonzero(real | named)),
        n_empty_truth=int(np.count_nonzero(~real)),
        n_false_positive_on_empty=int(np.count_nonzero(named & ~real)),
        n_missed=int(np.count_nonzero(real & ~found)),
        by_size=_by_size(rows, resampling),
        reliability=reliability,
    )


def _distance(rows: Sequence[CaseRow]) -> Distance | None:
    found = [row.distances for row in rows if row.distances is not None]
    if len(found) < len(rows):
        return None
    values = np.array([item.hd95 for item in found])
    finite = values[np.isfinite(values)]
    return Distance(
        median=float(np.median(finite)) if len(finite) else math.nan,
        n=len(finite),
        n_failures=int(np.count_nonzero(np.isinf(values))),
        unit=found[0].unit,
    )


def _by_size(rows: Sequence[CaseRow], resampling: Resampling) -> tuple[SizeGroup, ...]:
    """Thirds of the cases that have the class, by the size of their truth."""
    unit = "px" if len({row.size.unit for row in rows}) > 1 else rows[0].size.unit
    pixels = np.array([row.counts.tp + row.counts.fn for row in rows])
    sizes = pixels if unit == "px" else np.array([row.size.value for row in rows])
    order = np.argsort(sizes, kind="stable")
    order = order[pixels[order] > 0]
    if len(order) < _SIZE_GROUPS:
        return ()
    dice = metric_values(rows, "dice")
    groups = []
    for group in np.array_split(order, _SIZE_GROUPS):
        values = np.full(len(rows), np.nan)
        values[group] = dice[group]
        smallest, largest = float(sizes[group[0]]), float(sizes[group[-1]])
        groups.append(SizeGroup(smallest, largest, unit, resampling.mean(values)))
    return tuple(groups)


def _has_nsd(rows: Sequence[CaseRow]) -> bool:
    return all(row.nsd is not None for row in rows)


def _pooled(rows: Sequence[CaseRow]) -> Counts:
    return reduce(add, (row.counts for row in rows))
