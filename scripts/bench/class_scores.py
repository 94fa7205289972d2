"""Scores of classified cases with intervals, for the benches of classifiers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.evaluation.classification import read_classified
from segx.evaluation.records import Json, number_or_null
from segx.metrics import classification_scores

__all__ = ["difference", "scores_with_intervals", "shown"]

SCORES = ("auroc", "average_precision", "balanced_accuracy")
DRAWS = 2000


def scores_with_intervals(cases_csv: Path) -> dict[str, Json]:
    """Each score of a cases.csv as [value, low, high]: a 95 % bootstrap over cases."""
    truth, probabilities = _read(cases_csv)
    value = classification_scores(truth, probabilities)
    draws = np.array([_scores(truth[i], probabilities[i]) for i in _draws(len(truth))])
    return {
        name: [number_or_null(item) for item in (getattr(value, name), *ends)]
        for name, ends in zip(SCORES, _ends(draws), strict=True)
    }


def difference(first: Path, second: Path) -> dict[str, Json]:
    """Second minus first, as [value, low, high]: the same cases drawn for both.

    Cases are matched by name, the split before it left aside.
    """
    truth, one, two = _matched(first, second)
    value = np.subtract(_scores(truth, two), _scores(truth, one))
    draws = np.array(
        [
            np.subtract(_scores(truth[i], two[i]), _scores(truth[i], one[i]))
            for i in _draws(len(truth))
        ]
    )
    return {
        name: [number_or_null(float(item)) for item in (value[k], *ends)]
        for k, (name, ends) in enumerate(zip(SCORES, _ends(draws), strict=True))
    }


def shown(value: Json) -> str:
    """A value and its interval for a table."""
    if not isinstance(value, Sequence) or any(item is None for item in value):
        return "-"
    middle, low, high = value
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def _scores(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> list[float]:
    scores = classification_scores(truth, probabilities)
    return [getattr(scores, name) for name in SCORES]


def _draws(cases: int) -> NDArray[np.integer]:
    """Rows of case indices, drawn with replacement; the same each time."""
    return np.random.default_rng(0).integers(cases, size=(DRAWS, cases))


def _ends(draws: NDArray[np.float64]) -> list[tuple[float, float]]:
    low, high = np.nanpercentile(draws, [2.5, 97.5], axis=0)
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _read(path: Path) -> tuple[NDArray[np.integer], NDArray[np.floating]]:
    _, cases = read_classified(path)
    truth = np.array([case.truth for case in cases])
    return truth, np.array([case.probabilities for case in cases])


def _matched(
    first: Path, second: Path
) -> tuple[NDArray[np.integer], NDArray[np.floating], NDArray[np.floating]]:
    tables = []
    for path in (first, second):
        _, cases = read_classified(path)
        tables.append({case.case.removeprefix("test-"): case for case in cases})
    names = sorted(tables[0])
    truth = np.array([tables[0][name].truth for name in names])
    one, two = (
        np.array([table[name].probabilities for name in names]) for table in tables
    )
    return truth, one, two
