"""Boxes against the truth: which are hits, and the precision of a ranking of them."""

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "IOU_THRESHOLDS",
    "RECALLS",
    "box_precision",
    "match_boxes",
    "overlaps_of",
    "taken_boxes",
]

IOU_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Least overlap of a hit: what COCO averages over, 0.5 to 0.95."""

RECALLS = tuple(np.linspace(0, 1, 101).tolist())
"""Where the precision is read, as COCO has it."""

_NEARLY_1 = 1 - 1e-10

_PAIRS = 2**20  # pairs of boxes that are compared at once

Boxes = NDArray[np.floating]
"""Left, top, right and bottom, shape (n, 4)."""


def overlaps_of(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union of each pair, shape (n, m).

    Examples:
        >>> overlaps_of(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])).round(3)
        array([[0.333]])
    """
    one, two = (np.asarray(item, np.float64).reshape(-1, 4) for item in (first, second))
    starts = np.maximum(one[:, np.newaxis, :2], two[:, :2])
    ends = np.minimum(one[:, np.newaxis, 2:], two[:, 2:])
    shared = np.clip(ends - starts, 0, None).prod(axis=2)
    areas = [(item[:, 2:] - item[:, :2]).prod(axis=1) for item in (one, two)]
    union = areas[0][:, np.newaxis] + areas[1] - shared
    overlaps = np.zeros(shared.shape)
    np.divide(shared, union, out=overlaps, where=union > 0)
    return overlaps


def match_boxes(
    found: Boxes, truth: Boxes, *, thresholds: tuple[float, ...] = IOU_THRESHOLDS
) -> NDArray[np.bool_]:
    """Which found boxes of a class in an image are hits.

    As COCO has it: in the order of their scores each takes the true box that it covers
    best, of those that none before it has taken.

    Args:
        found: The best first, shape (n, 4).
        truth: Shape (m, 4).
        thresholds: Least intersection over union of a hit.

    Returns:
        Shape (n, thresholds).

    References:
        Lin et al. 2014, doi:10.1007/978-3-319-10602-1_48.

    Examples:
        >>> truth = np.array([[0.0, 0, 4, 4]])
        >>> match_boxes(np.array([[0.0, 0, 4, 3], [0.0, 0, 4, 4]]), truth)[:, 0]
        array([ True, False])
    """
    return _taken(found, truth, thresholds) >= 0


def taken_boxes(
    found: Boxes, truth: Boxes, *, threshold: float = 0.5
) -> NDArray[np.int64]:
    """Which true box each found one takes, as `match_boxes` has it; -1 for none.

    Args:
        found: The best first, shape (n, 4).
        truth: Shape (m, 4).
        threshold: Least intersection over union of a hit.

    Returns:
        Shape (n,).
    """
    return _taken(found, truth, (threshold,))[:, 0]


def _taken(
    found: Boxes, truth: Boxes, thresholds: tuple[float, ...]
) -> NDArray[np.int64]:
    """Index of the true box that each found one takes, in their order; or -1.

    Shape (n, thresholds).
    """
    taken = np.full((len(found), len(thresholds)), -1, np.int64)
    free = np.ones((len(thresholds), len(truth)), np.bool_)
    at_once = max(1, _PAIRS // max(1, len(truth)))
    for first in range(0, len(found), at_once):
        overlaps = overlaps_of(found[first : first + at_once], truth)
        for column, threshold in enumerate(thresholds):
            least, still = min(threshold, _NEARLY_1), free[column]
            for row in np.flatnonzero((overlaps >= least).any(axis=1)):
                open_to_it = np.where(still, overlaps[row], -1)[::-1]
                best = int(open_to_it.argmax())  # of equals the last, as COCO has it
                if open_to_it[best] >= least:
                    chosen = len(truth) - 1 - best
                    taken[first + row, column] = chosen
                    still[chosen] = False
    return taken


def box_precision(
    hits: NDArray[np.bool_],
    weights: NDArray[np.float64],
    truths: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Average precision of a ranking, for several weightings of its boxes at once.

    At each of 101 recalls counts the best precision at that recall or above it.

    Args:
        hits: Whether each box is a hit, the best score first, (n,).
        weights: How often each box counts, (draws, n).
        truths: Number of true boxes in each weighting, (draws,).

    Returns:
        One a weighting, (draws,); nan where there is no true box.

    Examples:
        >>> once = np.ones((1, 2))
        >>> box_precision(np.array([True, False]), once, np.array([2.0])).round(3)
        array([0.505])
    """
    right = np.cumsum(weights * hits, axis=1)
    seen = np.cumsum(weights, axis=1)
    precision = np.divide(right, seen, out=np.zeros_like(right), where=seen > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    values = np.full(len(weights), np.nan)
    for draw in np.flatnonzero(truths > 0):
        places = np.searchsorted(right[draw] / truths[draw], RECALLS)
        reached = places < best.shape[1]
        values[draw] = best[draw, places[reached]].sum() / len(RECALLS)
    return values
