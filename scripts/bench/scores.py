"""Scores of test cases with intervals, and paired differences, for the benches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segx.evaluation.bootstrap import Estimate
from segx.evaluation.cases import read_cases
from segx.evaluation.classification import ClassifiedCase, ScoredCases
from segx.evaluation.classified_file import read_classified
from segx.evaluation.compare import compare
from segx.evaluation.compare_classified import compare_classified
from segx.evaluation.records import Json, number_or_null
from segx.evaluation.summary import summarise
from segx.metrics import defined_mean

__all__ = [
    "SCORES",
    "class_gains",
    "class_scores",
    "dice",
    "dice_gain",
    "means_of_seeds",
    "shown",
]

SCORES = ("auroc", "average_precision", "balanced_accuracy")
"""What classified cases are scored by."""


def dice(cases_csv: Path) -> Json:
    """Foreground Dice of a cases.csv as [value, low, high], the interval of 95 %."""
    return _ends(summarise(read_cases(cases_csv)).foreground.dice)


def dice_gain(first: Path, second: Path) -> Json:
    """Second minus first, as [value, low, high]: the same cases drawn for both."""
    found = compare(read_cases(first), read_cases(second))
    return _ends(found.foreground.difference)


def class_scores(cases_csv: Path) -> dict[str, Json]:
    """Each score of classified cases as [value, low, high], the interval of 95 %."""
    names, cases = read_classified(cases_csv)
    found = ScoredCases(cases, class_names=names)
    return {name: _ends(found.headline(name)) for name in SCORES}


def class_gains(first: Path, second: Path) -> dict[str, Json]:
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


def means_of_seeds(
    lines: Iterable[Mapping[str, Json]], *, same: Sequence[str], scores: Sequence[str]
) -> list[dict[str, Json]]:
    """A line for each group of several seeds: the mean of each score's values.

    Args:
        lines: Of all seeds.
        same: Keys whose values are the same in a group.
        scores: Keys of the scores, each as [value, low, high].
    """
    groups: dict[tuple[Json, ...], list[Mapping[str, Json]]] = {}
    for line in lines:
        groups.setdefault(tuple(line[key] for key in same), []).append(line)
    return [
        {
            **dict(zip(same, values, strict=True)),
            "seed": "all",
            **{key: _mean(line.get(key) for line in group) for key in scores},
        }
        for values, group in groups.items()
        if len(group) > 1
    ]


def shown(value: Json) -> str:
    """A value, and its interval where it has one, for a table."""
    if isinstance(value, float):
        return f"[bold]{value:.3f}[/]"
    if not isinstance(value, Sequence) or any(item is None for item in value):
        return "-"
    middle, low, high = value
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _mean(values: Iterable[Json]) -> float | None:
    """Mean of what [value, low, high] begin with; None where one is missing."""
    found = []
    for value in values:
        if not isinstance(value, list | tuple) or value[0] is None:
            return None
        found.append(float(value[0]))
    return number_or_null(defined_mean(found))


def _bare(cases: Sequence[ClassifiedCase]) -> list[ClassifiedCase]:
    return [replace(case, case=case.case.removeprefix("test-")) for case in cases]


def _ends(found: Estimate) -> Json:
    return [number_or_null(item) for item in (found.value, found.low, found.high)]
