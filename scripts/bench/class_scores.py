"""Scores of classified cases with intervals, for the benches of classifiers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segx.evaluation.bootstrap import Estimate
from segx.evaluation.classification import ClassifiedCase, ScoredCases
from segx.evaluation.classified_file import read_classified
from segx.evaluation.compare_classified import compare_classified
from segx.evaluation.records import Json, number_or_null

__all__ = ["difference", "scores_with_intervals", "shown"]

SCORES = ("auroc", "average_precision", "balanced_accuracy")


def scores_with_intervals(cases_csv: Path) -> dict[str, Json]:
    """Each score of a cases.csv as [value, low, high], the interval of 95 %."""
    names, cases = read_classified(cases_csv)
    found = ScoredCases(cases, class_names=names)
    return {name: _ends(found.headline(name)) for name in SCORES}


def difference(first: Path, second: Path) -> dict[str, Json]:
    """Second minus first, as [value, low, high]: the same cases drawn for both.

    Cases are matched by name, the split before it left aside.
    """
    (names, one), (others, two) = read_classified(first), read_classified(second)
    found = compare_classified(_bare(one), _bare(two), class_names=(names, others))
    return {
        item.name: _ends(item.difference)
        for item in found.scores
        if item.name in SCORES
    }


def shown(value: Json) -> str:
    """A value and its interval for a table."""
    if not isinstance(value, Sequence) or any(item is None for item in value):
        return "-"
    middle, low, high = value
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _bare(cases: Sequence[ClassifiedCase]) -> list[ClassifiedCase]:
    return [replace(case, case=case.case.removeprefix("test-")) for case in cases]


def _ends(found: Estimate) -> Json:
    return [number_or_null(item) for item in (found.value, found.low, found.high)]
