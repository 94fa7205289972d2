"""Means over cases by one stated policy, with what a mean can't say beside it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from segx.errors import DataError
from segx.evaluation.cases import CaseRow
from segx.evaluation.records import Json, number_or_null, write_json
from segx.metrics.overlap import Counts, defined_mean

__all__ = ["POLICY", "ClassSummary", "Summary", "summarise", "write_summary"]

POLICY = (
    "Per class: mean over whole cases at native size; a case with neither truth nor "
    "prediction of the class is undefined and left out. Foreground: mean of the class "
    "means, background excluded. dice_global pools the pixels of all cases."
)
"""What the numbers mean; written and printed beside them."""


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """One class over all cases; a mean is nan if it is defined in no case.

    Args:
        name: Name of the class.
        dice: Mean over the cases where it is defined; so are the next three.
        iou: See `dice`.
        sensitivity: See `dice`.
        precision: See `dice`.
        dice_global: Dice of the pooled counts.
        n_defined: Cases where Dice is defined.
        n_empty_truth: Cases without the class in the truth.
        n_false_positive_on_empty: Those of them where it was predicted.
        n_missed: Cases with the class in the truth and not one pixel of it found.
    """

    name: str
    dice: float
    iou: float
    sensitivity: float
    precision: float
    dice_global: float
    n_defined: int
    n_empty_truth: int
    n_false_positive_on_empty: int
    n_missed: int


@dataclass(frozen=True, slots=True)
class Summary:
    """All classes over all cases.

    Args:
        classes: One summary a foreground class.
        n_cases: Number of cases.
        n_patients: Number of patients; a case of an unknown one counts as its own.
    """

    classes: tuple[ClassSummary, ...]
    n_cases: int
    n_patients: int

    @property
    def dice(self) -> float:
        """Foreground mean of Dice: the headline."""
        return defined_mean(item.dice for item in self.classes)

    @property
    def iou(self) -> float:
        """Foreground mean of IoU."""
        return defined_mean(item.iou for item in self.classes)

    @property
    def sensitivity(self) -> float:
        """Foreground mean of sensitivity."""
        return defined_mean(item.sensitivity for item in self.classes)

    @property
    def precision(self) -> float:
        """Foreground mean of precision."""
        return defined_mean(item.precision for item in self.classes)

    @property
    def dice_global(self) -> float:
        """Foreground mean of the pooled Dice: secondary."""
        return defined_mean(item.dice_global for item in self.classes)


def summarise(rows: Iterable[CaseRow]) -> Summary:
    """Aggregate rows by the policy.

    Args:
        rows: One row a case and class, in any order.

    Raises:
        DataError: If there is no row, or a case has a class twice or lacks one.
    """
    by_class: dict[str, dict[str, Counts]] = {}
    clusters: dict[str, tuple[str, str]] = {}
    for row in rows:
        cases = by_class.setdefault(row.class_name, {})
        if row.case in cases:
            raise DataError(
                f"Case {row.case!r} has the class {row.class_name!r} twice. Give each "
                "case its own name, or remove the repeated row."
            )
        cases[row.case] = row.counts
        clusters[row.case] = (
            ("case", row.case) if row.patient is None else ("patient", row.patient)
        )
    _check_complete(by_class, clusters)
    return Summary(
        classes=tuple(
            _of_class(name, list(by_class[name].values())) for name in by_class
        ),
        n_cases=len(clusters),
        n_patients=len(set(clusters.values())),
    )


def write_summary(path: Path, summary: Summary) -> None:
    """Write summary.json; an undefined mean is null there."""
    headline = ("dice", "iou", "sensitivity", "precision", "dice_global")
    counted = ("n_defined", "n_empty_truth", "n_false_positive_on_empty", "n_missed")
    classes: dict[str, Json] = {}
    for item in summary.classes:
        means = {name: number_or_null(getattr(item, name)) for name in headline}
        classes[item.name] = means | {name: getattr(item, name) for name in counted}
    content: dict[str, Json] = {
        "task": "segmentation",
        "policy": POLICY,
        "n_cases": summary.n_cases,
        "n_patients": summary.n_patients,
        "foreground": {
            name: number_or_null(getattr(summary, name)) for name in headline
        },
        "classes": classes,
    }
    write_json(path, content)


def _of_class(name: str, cases: Sequence[Counts]) -> ClassSummary:
    empty = [case for case in cases if not case.tp + case.fn]
    return ClassSummary(
        name=name,
        dice=defined_mean(case.dice for case in cases),
        iou=defined_mean(case.iou for case in cases),
        sensitivity=defined_mean(case.sensitivity for case in cases),
        precision=defined_mean(case.precision for case in cases),
        dice_global=reduce(add, cases).dice,
        n_defined=sum(not math.isnan(case.dice) for case in cases),
        n_empty_truth=len(empty),
        n_false_positive_on_empty=sum(case.fp > 0 for case in empty),
        n_missed=sum(case.fn > 0 and case.tp == 0 for case in cases),
    )


def _check_complete(
    by_class: dict[str, dict[str, Counts]], clusters: dict[str, tuple[str, str]]
) -> None:
    if not clusters:
        raise DataError("There is no case to summarise. Give at least one row.")
    for name, cases in by_class.items():
        missing = sorted(clusters.keys() - cases.keys())
        if missing:
            raise DataError(
                f"The class {name!r} has no row for {len(missing)} of {len(clusters)} "
                f"cases ({missing[0]!r}, …). Every case needs a row for every class."
            )
