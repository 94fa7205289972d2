"""What the borders of tiles do to boxes, held against one look at the whole scan."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segx.boxes import Detections
from segx.geometry import Extent, Tile
from segx.metrics.boxes import match_boxes, overlaps_of

__all__ = ["BORDER_PX", "BorderCount", "count_borders"]

BORDER_PX = 16
"""Boxes that come so near to an inner border of a tile are counted by themselves."""

_SHARE = 0.5


@dataclass(frozen=True)
class BorderCount:
    """Boxes of a tiled scan against those of the same scan in one piece.

    Args:
        boxes: Number of boxes.
        untiled: Number of those in one piece.
        matched: Pairs of both of one class with an intersection over union of 0.5.
        border_boxes: Boxes near an inner border of a tile.
        border_untiled: The same of those in one piece.
        border_matched: Pairs whose box of the tiled scan is near a border.
        doubled: Pairs of boxes of one class that share half or more, of their union or
            of the smaller one, where no look has two boxes: neither that in one piece
            nor that at any one tile.
        border_doubled: Those near a border.
    """

    boxes: int
    untiled: int
    matched: int
    border_boxes: int
    border_untiled: int
    border_matched: int
    doubled: int
    border_doubled: int


def count_borders(
    found: Detections,
    untiled: Detections,
    tiles: Sequence[tuple[Tile, Detections]],
    scan: Extent,
) -> BorderCount:
    """Count boxes, pairs and doubles, everywhere and near the borders of tiles.

    Args:
        found: The boxes of the tiled scan, the best first.
        untiled: Those of the scan in one piece.
        tiles: The tiles, and what was found in each.
        scan: Size of the scan.
    """
    grid = [tile for tile, _ in tiles]
    near = _near_borders(found, grid, scan)
    matched = _matched(found, untiled)
    doubled = _doubled(found, [untiled, *(boxes for _, boxes in tiles)])
    return BorderCount(
        boxes=len(found),
        untiled=len(untiled),
        matched=int(matched.sum()),
        border_boxes=int(near.sum()),
        border_untiled=int(_near_borders(untiled, grid, scan).sum()),
        border_matched=int((matched & near).sum()),
        doubled=len(doubled),
        border_doubled=int(near[doubled].any(axis=1).sum()),
    )


def _near_borders(
    found: Detections, tiles: list[Tile], scan: Extent
) -> NDArray[np.bool_]:
    """Which boxes reach into the bands along inner borders, shape (n,)."""
    near = np.zeros(len(found), np.bool_)
    left, top, right, bottom = found.boxes.T
    rows = {edge for tile in tiles for edge in (tile.top, tile.bottom)}
    cols = {edge for tile in tiles for edge in (tile.left, tile.right)}
    for line in rows:
        if 0 < line < scan.rows:
            near |= (top < line + BORDER_PX) & (bottom > line - BORDER_PX)
    for line in cols:
        if 0 < line < scan.cols:
            near |= (left < line + BORDER_PX) & (right > line - BORDER_PX)
    return near


def _matched(found: Detections, untiled: Detections) -> NDArray[np.bool_]:
    """Which boxes have a partner in one piece, shape (n,)."""
    matched = np.zeros(len(found), np.bool_)
    for number in np.unique(found.classes):
        ours, theirs = found.classes == number, untiled.classes == number
        hits = match_boxes(
            found.boxes[ours], untiled.boxes[theirs], thresholds=(_SHARE,)
        )
        matched[ours] = hits[:, 0]
    return matched


def _doubled(found: Detections, looks: Sequence[Detections]) -> NDArray[np.int64]:
    """Pairs of boxes where no look sees two objects, shape (pairs, 2)."""
    share = _share(found, found)
    pairs = np.argwhere(np.triu(share > _SHARE, k=1))
    for look in looks:
        is_there = _share(found, look) > _SHARE
        objects = (is_there[pairs[:, 0]] | is_there[pairs[:, 1]]).sum(axis=1)
        pairs = pairs[objects < 2]
    return np.asarray(pairs)


def _share(one: Detections, other: Detections) -> NDArray[np.float64]:
    """What two boxes of one class share: of their union or the smaller, (n, m)."""
    iou = overlaps_of(one.boxes, other.boxes)
    areas = one.areas[:, np.newaxis].astype(np.float64), other.areas[np.newaxis]
    common = iou * (areas[0] + areas[1]) / (1 + iou)
    share = np.maximum(iou, common / np.maximum(np.minimum(*areas), 1e-9))
    share[one.classes[:, np.newaxis] != other.classes] = 0
    return share
