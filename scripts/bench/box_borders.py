"""What the borders of tiles do to boxes, held against the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Extent, Tile
from segx.metrics.boxes import overlaps_of, taken_boxes

__all__ = ["BORDER_PX", "BorderCount", "count_borders"]

BORDER_PX = 16
"""Objects that come so near to an inner border of a tile are counted by themselves."""

_SHARE = 0.5

Boxes = NDArray[np.floating]
"""Left, top, right and bottom, shape (n, 4)."""


@dataclass(frozen=True)
class BorderCount:
    """Boxes of a scan against its true objects.

    Args:
        boxes: Number of boxes.
        found: Objects that are found, with an intersection over union of 0.5.
        doubled: Objects with two boxes or more. A box is that object's which it shares
            most with, by their union, if it covers half of the smaller of the two.
        border_objects: Objects near an inner border of a tile.
        border_found: Those of them that are found.
        border_doubled: Those of them with two boxes or more.
    """

    boxes: int
    found: int
    doubled: int
    border_objects: int
    border_found: int
    border_doubled: int


def count_borders(
    found: Boxes, truth: Boxes, grid: Sequence[Tile], scan: Extent
) -> BorderCount:
    """Count boxes, found objects and doubled ones, everywhere and near borders.

    Args:
        found: The boxes of one class, the best first.
        truth: Those of the true objects.
        grid: The tiles whose borders are meant.
        scan: Size of the scan.
    """
    near = _near_borders(truth, grid, scan)
    is_found = np.isin(np.arange(len(truth)), taken_boxes(found, truth))
    is_doubled = _boxes_of_each(found, truth) > 1
    return BorderCount(
        boxes=len(found),
        found=int(is_found.sum()),
        doubled=int(is_doubled.sum()),
        border_objects=int(near.sum()),
        border_found=int((is_found & near).sum()),
        border_doubled=int((is_doubled & near).sum()),
    )


def _near_borders(
    boxes: Boxes, grid: Sequence[Tile], scan: Extent
) -> NDArray[np.bool_]:
    """Which boxes reach into the bands along inner borders, shape (n,)."""
    near = np.zeros(len(boxes), np.bool_)
    left, top, right, bottom = boxes.T
    rows = {edge for tile in grid for edge in (tile.top, tile.bottom)}
    cols = {edge for tile in grid for edge in (tile.left, tile.right)}
    for line in rows:
        if 0 < line < scan.rows:
            near |= (top < line + BORDER_PX) & (bottom > line - BORDER_PX)
    for line in cols:
        if 0 < line < scan.cols:
            near |= (left < line + BORDER_PX) & (right > line - BORDER_PX)
    return near


def _boxes_of_each(found: Boxes, truth: Boxes) -> NDArray[np.int64]:
    """How many boxes each true object has, shape (objects,)."""
    if not len(truth):
        return np.zeros(0, np.int64)
    iou = overlaps_of(found, truth)
    best = iou.argmax(axis=1)
    share = iou[np.arange(len(found)), best]
    sizes, true_sizes = (_areas(item) for item in (found, truth[best]))
    common = share * (sizes + true_sizes) / (1 + share)
    lies_on_it = common >= _SHARE * np.minimum(sizes, true_sizes)
    return np.bincount(best[lies_on_it & (share > 0)], minlength=len(truth))


def _areas(boxes: Boxes) -> NDArray[np.floating]:
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(sides[:, 0] * sides[:, 1], np.float64)
