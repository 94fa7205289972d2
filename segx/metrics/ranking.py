"""How well scores put cases of a class before the others: ROC, AUROC, precision."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Roc",
    "auroc",
    "average_precision",
    "roc",
    "weighted_auroc",
    "weighted_average_precision",
]


class Roc(NamedTuple):
    """The corners of a ROC curve, from nothing named to everything named.

    Args:
        false_positive_rate: 1 - specificity at each corner, ascending.
        sensitivity: At each corner, ascending.
        threshold: Least score that is named there; the first is inf.
    """

    false_positive_rate: tuple[float, ...]
    sensitivity: tuple[float, ...]
    threshold: tuple[float, ...]


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
    return float(weighted_auroc(real, scored, np.ones((1, len(real))))[0])


def weighted_auroc(
    real: NDArray[np.bool_],
    scored: NDArray[np.floating],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """`auroc` where each case counts as often as its weight says.

    Args:
        real: Whether a case is of the class, (n,).
        scored: Its score, (n,).
        weights: One row a draw, (draws, n).

    Returns:
        One value a draw, (draws,).
    """
    positive, negative = _by_level(real, scored, weights)
    below = np.cumsum(negative, axis=1) - negative
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    ordered = (positive * (below + negative / 2)).sum(axis=1)
    area: NDArray[np.float64] = np.divide(
        ordered, pairs, out=np.full(len(weights), np.nan), where=pairs > 0
    )
    return area


def average_precision(real: NDArray[np.bool_], scored: NDArray[np.floating]) -> float:
    """Precision at each threshold, weighted by the sensitivity that it adds.

    Args:
        real: Whether a case is of the class, (n,).
        scored: Its score, (n,); any monotone scale.

    Returns:
        In (0, 1], not interpolated; nan if no case is of the class.
    """
    return float(weighted_average_precision(real, scored, np.ones((1, len(real))))[0])


def weighted_average_precision(
    real: NDArray[np.bool_],
    scored: NDArray[np.floating],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """`average_precision` where each case counts as often as its weight says.

    Arguments and result as of `weighted_auroc`.
    """
    positive, negative = (level[:, ::-1] for level in _by_level(real, scored, weights))
    found = np.cumsum(positive, axis=1)
    named = found + np.cumsum(negative, axis=1)
    precision = np.divide(found, named, out=np.zeros_like(found), where=named > 0)
    total = positive.sum(axis=1)
    mean: NDArray[np.float64] = np.divide(
        (positive * precision).sum(axis=1),
        total,
        out=np.full(len(weights), np.nan),
        where=total > 0,
    )
    return mean


def roc(real: NDArray[np.bool_], scored: NDArray[np.floating]) -> Roc | None:
    """The ROC curve, without the points that lie on a straight line between others.

    Args:
        real: Whether a case is of the class, (n,).
        scored: Its score, (n,); any monotone scale.

    Returns:
        None if all or no cases are of the class.
    """
    positive, negative = (
        level[0, ::-1] for level in _by_level(real, scored, np.ones((1, len(real))))
    )
    if not positive.any() or not negative.any():
        return None
    # A corner stands where the curve turns: where the two steps differ in direction.
    turn = positive[:-1] * negative[1:] != positive[1:] * negative[:-1]
    corner = np.append(turn, True)
    levels = np.unique(scored)[::-1]
    return Roc(
        (0.0, *(np.cumsum(negative) / negative.sum())[corner].tolist()),
        (0.0, *(np.cumsum(positive) / positive.sum())[corner].tolist()),
        (float("inf"), *levels[corner].tolist()),
    )


def _by_level(
    real: NDArray[np.bool_],
    scored: NDArray[np.floating],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of cases of the class and of others at each score, (draws, levels)."""
    order = np.argsort(scored, kind="stable")
    ordered = scored[order]
    # Tied cases stand together.
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    weights, real = weights[:, order], real[order]
    positive = np.add.reduceat(weights * real, starts, axis=1)
    negative = np.add.reduceat(weights * ~real, starts, axis=1)
    return positive, negative
