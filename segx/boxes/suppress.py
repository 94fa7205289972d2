"""Boxes of overlapping tiles become the boxes of the scan, each object once."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from segx.boxes.detections import Detections
from segx.geometry import Extent, Region

__all__ = ["merge_tiles", "suppress"]

_LIMIT = 0.5
"""Boxes of a class that share more (intersection over union) are one object's."""

_HALF = 0.5
"""Share of a box from which on another one covers it; and share of its score from which
on another one is as good as it: what is hardly believed shall not change what is."""

_CUT_PX = 4
"""A box that ends so near to an inner border of its tile may be cut off there:
detectors place the ends of what they see in part no more exactly."""

_CLEAR_PX = 2 * _CUT_PX
"""A tile sees an object whole that ends so far from its inner borders, and better than
another tile does if it ends further from them by more than that. It is more than above:
of two tiles that see the same object a little differently, one keeps it."""

_PAIRS = 2**20  # pairs of boxes that are compared at once

Boxes = NDArray[np.float32]
Indices = NDArray[np.int64]


def merge_tiles(
    tiles: Sequence[tuple[Region, Detections]], scan: Extent, *, limit: float = _LIMIT
) -> Detections:
    """Put together what a detector found in the tiles of a grid.

    An object on the border of a tile is seen whole by one tile and cut off by another.

    1.  A box is dropped where another tile of the grid sees all of it and what lies
        beyond, if the box may be cut off or is further from that tile's borders than
        from its own's: that tile's word counts, whatever it is. So two tiles that
        judge a place differently make no two objects of one, and of objects smaller
        than the overlap no cut box is left.
    2.  What is left of cut boxes is of larger objects. Where one agrees with a box of
        its class in another tile, as far as both tiles see, they are of one object,
        which has at most one box in each tile: those that agree best are joined first.
        The box around all parts takes their place, with the highest of their scores.
    3.  A box is a part, too, if a larger one of its class covers half of it and reaches
        beyond its tile; it is dropped.
    4.  `suppress` keeps one of the boxes that several tiles have of one object.

    A box less than half as sure as another neither joins nor drops it by 2 and 3.

    The result does not depend on the order of tiles or boxes. Memory and time grow with
    the boxes, not with the scan.

    Args:
        tiles: Every tile that was looked at, of a grid as `segx.tiles.tile_grid` gives
            it, and its boxes in pixels of the scan. Tiles that share nothing leave the
            parts of what they cut.
        scan: Size of the scan.
        limit: Intersection over union from above which boxes are one object's.
    """
    found = Detections.joined(boxes for _, boxes in tiles)
    owner = np.repeat(np.arange(len(tiles)), [len(boxes) for _, boxes in tiles])
    bounds = _bounds([tile for tile, _ in tiles])
    own = bounds[owner]
    clear, best = _clearances(found.boxes, own, scan), _best(found.boxes, bounds, scan)
    cut = np.any(clear <= _CUT_PX, axis=1)
    is_seen_better = cut | np.any(best > clear + _CLEAR_PX, axis=1)
    is_seen_whole = np.all(best >= _CLEAR_PX, axis=1)
    kept = np.flatnonzero(np.logical_not(is_seen_better & is_seen_whole))
    # In an order of the values alone, so that what ties is always settled alike.
    keys = (found.classes, -found.scores, *found.boxes.T, *own.T)
    kept = kept[np.lexsort([key[kept] for key in keys])]
    parts, own, cut = found.taken(kept), own[kept], cut[kept]
    groups = _grouped(own, *_same_objects(parts, cut, own, limit=limit))
    whole = _around(parts, groups)
    seen = _around(Detections(own, parts.classes, parts.scores), groups).boxes
    return suppress(whole.taken(~_are_parts(whole, seen)), limit=limit)


def suppress(found: Detections, *, limit: float = _LIMIT) -> Detections:
    """Keep, of the boxes of a class that share much, the one with the highest score.

    Greedy non-maximum suppression; ties go to the box that begins further left, then
    further up.

    Args:
        found: In any order.
        limit: Intersection over union from above which one of two is dropped.

    Returns:
        The highest score first.

    Examples:
        >>> boxes = [[0, 0, 9, 9], [0, 0, 9, 8], [0, 0, 9, 9]]
        >>> suppress(Detections.of(boxes, [1, 1, 2], [0.6, 0.7, 0.5])).boxes
        array([[0., 0., 9., 8.],
               [0., 0., 9., 9.]], dtype=float32)
    """
    ranked = found.taken(_ranking(found))
    rivals = [np.zeros((0, 2), np.int64)]
    for pairs in _meeting(ranked):
        share = _iou(*(ranked.boxes[index] for index in pairs.T))
        rivals.append(np.sort(pairs[share > limit], axis=1))
    pairs = np.concatenate(rivals)
    kept = np.ones(len(ranked), np.bool_)
    # By the better of the two: whether it stays is settled before it is asked.
    for better, worse in pairs[np.argsort(pairs[:, 0], kind="stable")].tolist():
        if kept[better]:
            kept[worse] = False
    return ranked.taken(kept)


def _bounds(tiles: Sequence[Region]) -> Boxes:
    """Left, top, right and bottom of each tile, shape (n, 4)."""
    sides = [(tile.left, tile.top, tile.right, tile.bottom) for tile in tiles]
    return np.asarray(sides, np.float32).reshape(-1, 4)


def _clearances(boxes: Boxes, tiles: Boxes, scan: Extent) -> Boxes:
    """How far boxes end from the inner borders of a tile each, along x and y, (n, 2).

    Borders of the scan are none; below 0 a box reaches beyond the tile.
    """
    ends = np.array([scan.cols, scan.rows], np.float32)
    opens = np.where(tiles[:, :2] > 0, tiles[:, :2], -np.inf)
    closes = np.where(tiles[:, 2:] < ends, tiles[:, 2:], np.inf)
    return np.minimum(boxes[:, :2] - opens, closes - boxes[:, 2:]).astype(np.float32)


def _best(boxes: Boxes, tiles: Boxes, scan: Extent) -> Boxes:
    """The largest clearance of each box in a tile of a grid, along x and y, (n, 2)."""
    found = np.full((len(boxes), 2), -np.inf, np.float32)
    for axis in range(2):
        spans = np.unique(tiles[:, axis::2], axis=0)
        # The nearest centres before and behind the box's own.
        behind = np.searchsorted(spans.sum(axis=1), boxes[:, axis::2].sum(axis=1))
        for index in (behind - 1, behind) if len(spans) else ():
            nearest = np.zeros((len(boxes), 4), np.float32)
            nearest[:, axis::2] = spans[index.clip(0, len(spans) - 1)]
            here = _clearances(boxes, nearest, scan)[:, axis]
            found[:, axis] = np.maximum(found[:, axis], here)
    return found


def _same_objects(
    found: Detections, cut: NDArray[np.bool_], tiles: Boxes, *, limit: float
) -> tuple[Indices, NDArray[np.float32]]:
    """Pairs of boxes that are of one object, as far as their two tiles see.

    Args:
        found: The boxes.
        cut: Which of them may be cut off, shape (n,); one of a pair must be.
        tiles: Left, top, right and bottom of each one's tile, shape (n, 4).
        limit: Intersection over union from above which they are, in what tiles share.

    Returns:
        The pairs, shape (pairs, 2), and how well they agree.
    """
    same = [np.zeros((0, 2), np.int64)]
    agreement = [np.zeros(0, np.float32)]
    for pairs in _meeting(found):
        one, other = tiles[pairs[:, 0]], tiles[pairs[:, 1]]
        scores = found.scores[pairs]
        is_sure = scores.min(axis=1) >= _HALF * scores.max(axis=1)
        of_two = (one != other).any(axis=1) & cut[pairs].any(axis=1) & is_sure
        shared = _common(one, other)
        share = _iou(*(_common(found.boxes[index], shared) for index in pairs.T))
        same.append(pairs[of_two & (share > limit)])
        agreement.append(share[of_two & (share > limit)])
    return np.concatenate(same), np.concatenate(agreement)


def _grouped(tiles: Boxes, pairs: Indices, agreement: NDArray[np.float32]) -> Indices:
    """For each box the number of its group, which has one of each tile at most.

    Args:
        tiles: Left, top, right and bottom of each one's tile, shape (n, 4).
        pairs: What may be joined, shape (pairs, 2).
        agreement: How well; the best are joined first.
    """
    group = list(range(len(tiles)))
    own = np.unique(tiles, axis=0, return_inverse=True)[1].reshape(-1).tolist()
    members = {index: [index] for index in np.unique(pairs).tolist()}
    places = {index: {own[index]} for index in members}
    ordered = np.sort(pairs, axis=1)
    best = np.lexsort((ordered[:, 1], ordered[:, 0], -agreement))
    for first, second in ordered[best].tolist():
        one, other = group[first], group[second]
        if one != other and places[one].isdisjoint(places[other]):
            if len(members[one]) < len(members[other]):
                one, other = other, one
            for index in members[other]:
                group[index] = one
            members[one] += members.pop(other)
            places[one] |= places.pop(other)
    return np.unique(group, return_inverse=True)[1]


def _around(found: Detections, groups: Indices) -> Detections:
    """One box around all of each group, with the highest of its scores."""
    count = groups.max(initial=-1) + 1
    boxes = np.full((count, 4), np.inf, np.float32)
    boxes[:, 2:] = -np.inf
    np.minimum.at(boxes[:, :2], groups, found.boxes[:, :2])
    np.maximum.at(boxes[:, 2:], groups, found.boxes[:, 2:])
    scores = np.zeros(count, np.float32)
    np.maximum.at(scores, groups, found.scores)
    classes = np.ones(count, np.int64)
    classes[groups] = found.classes
    return Detections(boxes, classes, scores)


def _are_parts(found: Detections, seen: Boxes) -> NDArray[np.bool_]:
    """Which boxes a larger one covers that ends where they could not be seen to end.

    Args:
        found: The boxes.
        seen: Left, top, right and bottom of the tiles that each was seen in.
    """
    parts = np.zeros(len(found), np.bool_)
    for pairs in _meeting(found):
        for index, other in (pairs.T, pairs.T[::-1]):
            inner, outer = found.boxes[index], found.boxes[other]
            size, larger = _area(inner), _area(outer)
            covers = _area(_common(inner, outer)) > _HALF * size
            leaves = _area(_common(outer, seen[index])) < larger
            is_sure = found.scores[other] >= _HALF * found.scores[index]
            parts[index[covers & leaves & is_sure & (size < larger)]] = True
    return parts


def _ranking(found: Detections) -> Indices:
    """The order by score, then by position and class: of the values, not of places."""
    left, top, right, bottom = found.boxes.T
    return np.lexsort((found.classes, bottom, right, top, left, -found.scores))


def _meeting(found: Detections) -> Iterator[Indices]:
    """Indices of boxes of one class that overlap, each pair once, shape (pairs, 2).

    A sweep along the axis that the boxes are spread over: a box is compared with those
    that begin before it ends.
    """
    boxes, count = found.boxes, len(found)
    if not count:
        return
    axis = int(np.ptp(boxes[:, 1]) > np.ptp(boxes[:, 0]))
    order = np.argsort(boxes[:, axis], kind="stable")
    ends = np.searchsorted(boxes[order, axis], boxes[order, axis + 2])
    many = np.maximum(ends - np.arange(1, count + 1), 0)
    sums = np.concatenate([[0], np.cumsum(many)])
    first = 0
    while first < count:
        limit = sums[first] + _PAIRS
        last = max(first + 1, int(np.searchsorted(sums, limit, side="right")) - 1)
        one = np.repeat(np.arange(first, last), many[first:last])
        steps = np.arange(sums[first], sums[last]) - sums[one]
        pairs = np.stack([order[one], order[one + 1 + steps]], axis=1)
        meets = _area(_common(*(boxes[index] for index in pairs.T))) > 0
        meets &= found.classes[pairs[:, 0]] == found.classes[pairs[:, 1]]
        yield pairs[meets]
        first = last


def _iou(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    """Intersection over union of each pair, shape (pairs,); 0 of empty boxes."""
    common = _area(_common(first, second))
    union = _area(first) + _area(second) - common
    return np.asarray(common / np.maximum(union, np.finfo(np.float32).tiny))


def _common(first: Boxes, second: Boxes) -> Boxes:
    """What each two boxes share; where that is nothing, sides are out of order."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, 2:], second[:, 2:])
    return np.concatenate([low, high], axis=1)


def _area(boxes: Boxes) -> NDArray[np.float32]:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1])
