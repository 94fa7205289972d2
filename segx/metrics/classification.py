"""What predicted class probabilities are worth: ranking, decisions and calibration."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.metrics.overlap import defined_mean

__all__ = [
    "BINS",
    "ClassScores",
    "ClassificationScores",
    "auroc",
    "average_precision",
    "calibration_error",
    "class_scores",
    "classification_scores",
]

BINS = 15
"""Number of equal bins of the probability for the calibration error."""

# Probabilities that were written as decimals may leave [0, 1] by a rounding.
_ROUNDING = 1e-6


class ClassScores(NamedTuple):
    """One class against the rest; nan where the cases can't tell.

    Args:
        n: Number of cases that truly are of the class.
        auroc: Area under the ROC curve; nan if all or no cases are of the class.
        average_precision: See the function; nan if no case is of the class.
        sensitivity: Share of the class's cases where it is the most probable class.
        brier: Mean squared error of its probability.
        ece: Expected calibration error of its probability.
    """

    n: int
    auroc: float
    average_precision: float
    sensitivity: float
    brier: float
    ece: float


class ClassificationScores(NamedTuple):
    """Plain means of `ClassScores` over the classes, nan left out.

    Args:
        auroc: Mean of the classes' AUROC.
        average_precision: Mean of the classes' average precision.
        balanced_accuracy: Mean of the classes' sensitivities.
        brier: Mean of the classes' Brier scores: in [0, 1], for two classes the
            usual one.
        ece: Mean of the classes' calibration errors.
    """

    auroc: float
    average_precision: float
    balanced_accuracy: float
    brier: float
    ece: float


def classification_scores(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> ClassificationScores:
    """Scores over all classes, each against the rest.

    Args:
        truth: Class ids, (n,).
        probabilities: Of each class, (n, K), in [0, 1].

    Raises:
        DataError: If the shapes don't fit, or a value is no class or no probability.
    """
    scores = class_scores(truth, probabilities)
    return ClassificationScores(
        auroc=defined_mean(score.auroc for score in scores),
        average_precision=defined_mean(score.average_precision for score in scores),
        balanced_accuracy=defined_mean(score.sensitivity for score in scores),
        brier=defined_mean(score.brier for score in scores),
        ece=defined_mean(score.ece for score in scores),
    )


def class_scores(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> tuple[ClassScores, ...]:
    """Scores of each class against the rest; arguments and errors as above."""
    _check(truth, probabilities)
    decided = probabilities.argmax(axis=1)
    scores = []
    for index, scored in enumerate(probabilities.astype(np.float64).T):
        real = truth == index
        found = int(np.count_nonzero(real & (decided == index)))
        n = int(np.count_nonzero(real))
        scores.append(
            ClassScores(
                n=n,
                auroc=auroc(real, scored),
                average_precision=average_precision(real, scored),
                sensitivity=found / n if n else float("nan"),
                brier=float(np.mean((scored - real) ** 2)),
                ece=calibration_error(real, scored),
            )
        )
    return tuple(scores)


def auroc(real: NDArray[np.bool_], scored: NDArray[np.floating]) -> float:
    """Probability that a case of the class scores above one that is not; ties half.

    Args:
        real: Whether a case is of the class, (n,).
        scored: Its score, (n,); any monotone scale.

    Returns:
        In [0, 1]; nan if all or no cases are of the class.

    References:
        Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.

    Examples:
        >>> auroc(np.array([True, False, False]), np.array([0.8, 0.8, 0.1]))
        0.75
    """
    positives = int(np.count_nonzero(real))
    negatives = len(real) - positives
    if not positives or not negatives:
        return float("nan")
    _, level, ties = np.unique(scored, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(ties) - (ties - 1) / 2  # counted from 1
    rank_sum = middle_rank[level][real].sum()
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(real: NDArray[np.bool_], scored: NDArray[np.floating]) -> float:
    """Precision at each threshold, weighted by the sensitivity that it adds.

    Args:
        real: Whether a case is of the class, (n,).
        scored: Its score, (n,); any monotone scale.

    Returns:
        In (0, 1], not interpolated; nan if no case is of the class.
    """
    if not real.any():
        return float("nan")
    order = np.argsort(-scored, kind="stable")
    # One threshold a distinct score: tied cases enter together.
    last_of_ties = np.append(np.diff(scored[order]) != 0, True)
    found = np.cumsum(real[order])[last_of_ties]
    named = np.flatnonzero(last_of_ties) + 1
    added = np.diff(found, prepend=0) / found[-1]
    return float(np.sum(added * found / named))


def calibration_error(real: NDArray[np.bool_], scored: NDArray[np.floating]) -> float:
    """Gap between probability and frequency, averaged over the cases in `BINS` bins.

    Args:
        real: Whether a case is of the class, (n,).
        scored: Its probability, (n,), in [0, 1].

    References:
        Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; each class against the rest
        after Nixon et al. 2019, arXiv:1904.01685.
    """
    bins = np.minimum((scored * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=scored - real, minlength=BINS)
    return float(np.abs(gaps).sum() / len(real))


def _check(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> None:
    if (
        probabilities.ndim != 2
        or truth.shape != probabilities.shape[:1]
        or not len(truth)
    ):
        raise DataError(
            f"Truth of shape {truth.shape} and probabilities of shape "
            f"{probabilities.shape} given; allowed are (n,) and (n, classes), n >= 1."
        )
    classes = probabilities.shape[1]
    if truth.min() < 0 or truth.max() >= classes:
        raise DataError(
            f"The truth holds ids {truth.min()} … {truth.max()}; with probabilities of "
            f"{classes} classes allowed are 0 … {classes - 1}."
        )
    inside = (probabilities >= -_ROUNDING) & (probabilities <= 1 + _ROUNDING)
    if not inside.all():  # nan is not inside
        row = int(np.flatnonzero(~inside.all(axis=1))[0])
        raise DataError(
            f"Case {row} has the probabilities {probabilities[row].tolist()}; allowed "
            "is 0 … 1. Give probabilities, not logits."
        )
