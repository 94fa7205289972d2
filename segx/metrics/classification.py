"""What predicted class probabilities are worth: ranking, decisions and calibration."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.labels import UNKNOWN
from segx.metrics.calibration import BINS, bins_of
from segx.metrics.overlap import defined_mean
from segx.metrics.ranking import weighted_auroc, weighted_average_precision

__all__ = [
    "SCORES",
    "THRESHOLD",
    "ClassScores",
    "ClassificationScores",
    "class_scores",
    "classification_scores",
    "decisions",
    "known_matrix",
    "score_draws",
    "truth_matrix",
]

SCORES = (
    "auroc",
    "average_precision",
    "sensitivity",
    "specificity",
    "brier",
    "ece",
)
"""The fields of `ClassScores` after `n`."""

THRESHOLD = 0.5
"""Probability from which on a class counts as found, where a case may have several."""

# Probabilities that were written as decimals may leave [0, 1] by a rounding.
_ROUNDING = 1e-6


class ClassScores(NamedTuple):
    """One class against the rest; nan where the cases can't tell.

    Args:
        n: Number of cases that truly are of the class.
        auroc: Area under the ROC curve; nan if all or no cases are of the class.
        average_precision: See the function; nan if no case is of the class.
        sensitivity: Share of the class's cases that were decided to be of it.
        specificity: Share of the other cases that were decided not to be of it.
        brier: Mean squared error of its probability.
        ece: Expected calibration error of its probability.
    """

    n: int
    auroc: float
    average_precision: float
    sensitivity: float
    specificity: float
    brier: float
    ece: float


class ClassificationScores(NamedTuple):
    """Plain means of `ClassScores` over the classes, nan left out.

    Args:
        auroc: Mean of the classes' AUROC.
        average_precision: Mean of the classes' average precision.
        balanced_accuracy: Mean of the classes' sensitivities; where a case may have
            several classes, of their sensitivities and specificities.
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
        truth: Class ids, (n,); or where a case may have several classes 0 and 1, (n,
            K), and `UNKNOWN` where nobody has told: there it counts for nothing.
        probabilities: Of each class, (n, K), in [0, 1].

    Raises:
        DataError: If the shapes don't fit, or a value is no class or no probability.
    """
    scores = class_scores(truth, probabilities)
    recalls = [score.sensitivity for score in scores]
    if truth.ndim == 2:
        recalls += [score.specificity for score in scores]
    return ClassificationScores(
        auroc=defined_mean(score.auroc for score in scores),
        average_precision=defined_mean(score.average_precision for score in scores),
        balanced_accuracy=defined_mean(recalls),
        brier=defined_mean(score.brier for score in scores),
        ece=defined_mean(score.ece for score in scores),
    )


def class_scores(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> tuple[ClassScores, ...]:
    """Scores of each class against the rest; arguments and errors as above."""
    real = truth_matrix(truth, probabilities)
    values = score_draws(
        real,
        probabilities,
        decided=decisions(truth, probabilities),
        known=known_matrix(truth, probabilities),
        weights=np.ones((1, len(truth))),
    )
    return tuple(
        ClassScores(int(n), *row)
        for n, row in zip(real.sum(axis=0), values[0].tolist(), strict=True)
    )


def score_draws(
    real: NDArray[np.bool_],
    probabilities: NDArray[np.floating],
    *,
    decided: NDArray[np.bool_],
    known: NDArray[np.bool_],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Scores where each case counts as often as its weight says.

    Args:
        real: Whether a case is of a class, (n, K).
        probabilities: (n, K), in [0, 1].
        decided: Whether it was decided to be of the class, (n, K).
        known: Whether that is known; else the case does not count for the class, (n,
            K).
        weights: One row a draw, (draws, n).

    Returns:
        `SCORES` of each class, (draws, K, 6).
    """
    scored = probabilities.astype(np.float64)
    each = []
    for is_real, score, is_named, is_known in zip(
        real.T, scored.T, decided.T, known.T, strict=True
    ):
        counted = weights * is_known
        each.append(
            np.stack(
                [
                    weighted_auroc(is_real, score, counted),
                    weighted_average_precision(is_real, score, counted),
                    _share(counted, is_named, among=is_real),
                    _share(counted, ~is_named, among=~is_real),
                    _mean(counted @ (score - is_real) ** 2, counted),
                    _weighted_ece(is_real, score, counted),
                ],
                axis=1,
            )
        )
    return np.stack(each, axis=1)


def truth_matrix(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Whether a case is of a class, (n, K), from ids (n,) or from 0 and 1 (n, K).

    Raises:
        DataError: If the shapes don't fit, or a value is no class or no probability.
    """
    _check(truth, probabilities)
    if truth.ndim == 2:
        is_there: NDArray[np.bool_] = truth == 1
        return is_there
    ids: NDArray[np.bool_] = truth[:, np.newaxis] == np.arange(probabilities.shape[1])
    return ids


def known_matrix(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Whether it is known if a case is of a class, (n, K); arguments as above."""
    if truth.ndim == 1:
        return np.ones(probabilities.shape, bool)
    is_known: NDArray[np.bool_] = truth != UNKNOWN
    return is_known


def decisions(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """The most probable class; of several possible ones, all from `THRESHOLD` on."""
    if truth.ndim == 2:
        return probabilities >= THRESHOLD
    best = probabilities.argmax(axis=1)
    decided: NDArray[np.bool_] = best[:, np.newaxis] == np.arange(
        probabilities.shape[1]
    )
    return decided


def _share(
    weights: NDArray[np.float64], those: NDArray[np.bool_], *, among: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Weighted share of `those` among others, (draws,); nan among none."""
    return _mean(weights @ (those & among), weights * among)


def _mean(
    sums: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted sums, (draws,), over the weights' own, (draws, n); nan of nothing."""
    total = weights.sum(axis=1)
    mean: NDArray[np.float64] = np.divide(
        sums, total, out=np.full(len(weights), np.nan), where=total > 0
    )
    return mean


def _weighted_ece(
    real: NDArray[np.bool_], scored: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    gaps = np.zeros((len(scored), BINS))
    gaps[np.arange(len(scored)), bins_of(scored)] = scored - real
    return _mean(np.abs(weights @ gaps).sum(axis=1), weights)


def _check(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> None:
    if (
        probabilities.ndim != 2
        or truth.shape not in (probabilities.shape[:1], probabilities.shape)
        or not len(truth)
    ):
        raise DataError(
            f"Truth of shape {truth.shape} and probabilities of shape "
            f"{probabilities.shape} given; allowed are (n,) or (n, classes), and (n, "
            "classes), n >= 1."
        )
    classes = probabilities.shape[1]
    least, end = (0, classes) if truth.ndim == 1 else (UNKNOWN, 2)
    if truth.min() < least or truth.max() >= end:
        allowed = f"0 … {end - 1}"
        if truth.ndim == 2:
            allowed = f"0, 1 and {UNKNOWN} where it is unknown"
        raise DataError(
            f"The truth holds ids {truth.min()} … {truth.max()}; with probabilities of "
            f"{classes} classes allowed are {allowed}."
        )
    inside = (probabilities >= -_ROUNDING) & (probabilities <= 1 + _ROUNDING)
    if not inside.all():  # nan is not inside
        row = int(np.flatnonzero(~inside.all(axis=1))[0])
        raise DataError(
            f"Case {row} has the probabilities {probabilities[row].tolist()}; allowed "
            "is 0 … 1. Give probabilities, not logits."
        )
