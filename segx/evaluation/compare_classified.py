"""Two classifiers on the same cases: paired differences, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.evaluation.bootstrap import Estimate
from segx.evaluation.classification import HEADLINES, ClassifiedCase, ScoredCases
from segx.evaluation.compare import NAMES, shared_patients, verdict

__all__ = ["ClassifiedComparison", "ScoreDifference", "compare_classified"]

_SMALLER_IS_BETTER = ("brier", "ece")


@dataclass(frozen=True, slots=True)
class ScoreDifference:
    """Second minus first.

    Args:
        name: Name of the score.
        first: Of the first model.
        second: Of the second.
        difference: With its interval.
    """

    name: str
    first: float
    second: float
    difference: Estimate

    def verdict(self, names: tuple[str, str] = NAMES) -> str:
        """Whether the interval excludes 0, in words."""
        smaller = self.name in _SMALLER_IS_BETTER
        return verdict(self.difference, smaller=smaller, names=names)


@dataclass(frozen=True, slots=True)
class ClassifiedComparison:
    """Two classifiers on the cases that both were measured on.

    Args:
        scores: One difference a score.
        n_cases: Number of common cases.
        n_patients: Of so many patients.
        wins: Cases that only the second decides right.
        losses: Cases that only the first decides right.
        only_first: Cases that only the first model was measured on.
        only_second: Likewise.
    """

    scores: tuple[ScoreDifference, ...]
    n_cases: int
    n_patients: int
    wins: int
    losses: int
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


def compare_classified(
    first: Sequence[ClassifiedCase],
    second: Sequence[ClassifiedCase],
    *,
    class_names: tuple[Sequence[str], Sequence[str]],
) -> ClassifiedComparison:
    """Compare two classifiers; patients are drawn anew, in pairs.

    Args:
        first: What the first model predicted.
        second: What the second did.
        class_names: Of both.

    Raises:
        DataError: If the classes, a case's truth or its patient differ, or no case is
            common.
    """
    if tuple(class_names[0]) != tuple(class_names[1]):
        raise DataError(
            f"The first tells apart {list(class_names[0])}, the second "
            f"{list(class_names[1])}. Compare models of the same classes."
        )
    sides = [{case.case: case for case in cases} for cases in (first, second)]
    common = sorted(sides[0].keys() & sides[1].keys())
    if not common:
        raise DataError("No case is in both. Compare models measured on the same ones.")
    for case in common:
        truths = [side[case].truth for side in sides]
        if truths[0] != truths[1]:
            raise DataError(
                f"The truth of {case!r} is {truths[0]} in the first and {truths[1]} in "
                "the second. Measure both on the same truth."
            )
    known = shared_patients(
        {case: (sides[0][case].patient, sides[1][case].patient) for case in common}
    )
    one, other = (
        ScoredCases(
            [replace(side[case], patient=known[case]) for case in common],
            class_names=class_names[0],
        )
        for side in sides
    )
    right, also_right = _right(one), _right(other)
    return ClassifiedComparison(
        scores=tuple(_difference(name, one, other) for name in HEADLINES),
        n_cases=len(common),
        n_patients=one.resampling.n_patients,
        wins=int(np.count_nonzero(also_right & ~right)),
        losses=int(np.count_nonzero(right & ~also_right)),
        only_first=tuple(sorted(sides[0].keys() - sides[1].keys())),
        only_second=tuple(sorted(sides[1].keys() - sides[0].keys())),
    )


def _difference(name: str, one: ScoredCases, other: ScoredCases) -> ScoreDifference:
    first, first_draws = one.headline_draws(name)
    second, second_draws = other.headline_draws(name)
    # Both drew the same patients: their draws are pairs.
    gap = one.resampling.estimate(
        second - first,
        second_draws - first_draws,
        counted=np.ones(len(one.real), bool),
    )
    return ScoreDifference(name, first, second, gap)


def _right(cases: ScoredCases) -> NDArray[np.bool_]:
    """Whether all classes of a case that are known were decided right, (n,)."""
    as_told = (cases.decided == cases.real) | ~cases.known
    right: NDArray[np.bool_] = as_told.all(axis=1)
    return right
