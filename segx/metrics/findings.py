"""Scores of images that may be of several classes: each class by itself."""

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.labels import UNKNOWN
from segx.metrics.classification import (
    ClassificationScores,
    ClassScores,
    auroc,
    average_precision,
    calibration_error,
)
from segx.metrics.overlap import defined_mean

__all__ = ["THRESHOLD", "finding_scores", "multilabel_scores"]

THRESHOLD = 0.5
"""Probability from which on a class counts as found."""


def multilabel_scores(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> ClassificationScores:
    """Plain means over the classes; undefined ones are left out.

    The balanced accuracy of a class is the mean of its sensitivity and its specificity.

    Args:
        truth: 1 or 0 for each class, (n, K); `UNKNOWN` counts nothing.
        probabilities: Of each class, (n, K), in [0, 1].

    Raises:
        DataError: If the shapes don't fit, or a value is none of these.
    """
    _check(truth, probabilities)
    scores = finding_scores(truth, probabilities)
    mirrored = finding_scores(np.where(truth < 0, truth, 1 - truth), 1 - probabilities)
    return ClassificationScores(
        auroc=defined_mean(score.auroc for score in scores),
        average_precision=defined_mean(score.average_precision for score in scores),
        balanced_accuracy=defined_mean(
            (of_class.sensitivity + of_others.sensitivity) / 2
            for of_class, of_others in zip(scores, mirrored, strict=True)
        ),
        brier=defined_mean(score.brier for score in scores),
        ece=defined_mean(score.ece for score in scores),
    )


def finding_scores(
    truth: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> tuple[ClassScores, ...]:
    """Scores of each class over the cases where it is known; arguments as above.

    The sensitivity is that at `THRESHOLD`.
    """
    _check(truth, probabilities)
    known = truth != UNKNOWN
    return tuple(
        _of_class(truth[known[:, k], k] == 1, probabilities[known[:, k], k])
        for k in range(truth.shape[1])
    )


def _of_class(real: NDArray[np.bool_], scored: NDArray[np.floating]) -> ClassScores:
    n = int(np.count_nonzero(real))
    found = int(np.count_nonzero(real & (scored >= THRESHOLD)))
    return ClassScores(
        n=n,
        auroc=auroc(real, scored),
        average_precision=average_precision(real, scored),
        sensitivity=found / n if n else float("nan"),
        brier=float(np.mean((scored - real) ** 2)) if len(real) else float("nan"),
        ece=calibration_error(real, scored) if len(real) else float("nan"),
    )


def _check(truth: NDArray[np.integer], probabilities: NDArray[np.floating]) -> None:
    if truth.shape != probabilities.shape or truth.ndim != 2 or not len(truth):
        raise DataError(
            f"Truth of shape {truth.shape} and probabilities of shape "
            f"{probabilities.shape} given; both must have one shape (n, classes)."
        )
    if not np.isin(truth, (0, 1, UNKNOWN)).all():
        raise DataError(
            f"The truth holds {truth.min()} … {truth.max()}; allowed are 0, 1 and "
            f"{UNKNOWN} where it is unknown."
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # nan is not inside
        raise DataError(
            f"Probabilities of {probabilities.min()} … {probabilities.max()} given; "
            "allowed is 0 … 1. Give probabilities, not logits."
        )
