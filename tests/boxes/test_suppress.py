"""Tiles give each object once, as if there were no tiles."""

from importlib import import_module
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segx.boxes import Detections, merge_tiles, suppress
from segx.geometry import Extent, Region
from segx.tiles.grid import cover

_CLEAR = 16
"""How much smaller than the overlap an object is that one tile sees with its ground."""

Found = set[tuple[float, ...]]


def _values(found: Detections) -> Found:
    columns = (*found.boxes.T, found.classes, found.scores)
    rows = [tuple(map(float, row)) for row in zip(*columns, strict=True)]
    assert len(set(rows)) == len(rows), "an object is there twice"
    return set(rows)


def _shared(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Share of the smaller of two boxes that the other covers."""
    rows = min(one[3], other[3]) - max(one[1], other[1])
    cols = min(one[2], other[2]) - max(one[0], other[0])
    sizes = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return max(rows, 0) * max(cols, 0) / min(sizes)


@st.composite
def grids(draw: st.DrawFn) -> tuple[Extent, list[Region], int]:
    """A scan, the tiles that cover it, and the least that neighbours share."""
    overlap = draw(st.integers(1, 30))
    side = overlap + draw(st.integers(1, 40))
    scan = Extent(side + draw(st.integers(0, 90)), side + draw(st.integers(0, 90)))
    tiles = cover(scan, Extent(side, side), overlap_px=Extent(overlap, overlap))
    return scan, list(tiles), overlap


@st.composite
def objects(draw: st.DrawFn, scan: Extent, *, largest: int, limit: float) -> Detections:
    """Objects of two classes; of two of a class, at most `limit` is shared."""
    chosen: list[tuple[int, ...]] = []
    for _ in range(draw(st.integers(1, 7))):
        rows = draw(st.integers(1, min(largest, scan.rows)))
        cols = draw(st.integers(1, min(largest, scan.cols)))
        top = draw(st.integers(0, scan.rows - rows))
        left = draw(st.integers(0, scan.cols - cols))
        box = (left, top, left + cols, top + rows, draw(st.integers(1, 2)))
        rivals = (_shared(box, other) for other in chosen if other[4] == box[4])
        if all(share <= limit for share in rivals):
            chosen.append(box)
    scores = [draw(st.sampled_from([0.25, 0.5, 1])) for _ in chosen]
    return Detections.of(
        [box[:4] for box in chosen], [box[4] for box in chosen], scores
    )


def _seen(truth: Detections, tiles: list[Region]) -> list[tuple[Region, Detections]]:
    """What a perfect detector finds in each tile, in pixels of the scan."""
    return [(tile, _inside(truth, tile)) for tile in tiles]


def _inside(found: Detections, tile: Region) -> Detections:
    """The parts that lie in a tile."""
    own = found.shifted(rows=-tile.top, cols=-tile.left).clipped(tile.extent)
    return own.shifted(rows=tile.top, cols=tile.left)


@given(st.data(), grids())
def test_objects_apart_are_found_whole_and_once_whatever_their_size(
    data: st.DataObject, grid: tuple[Extent, list[Region], int]
) -> None:
    scan, tiles, _ = grid
    truth = data.draw(objects(scan, largest=200, limit=0))
    assert _values(merge_tiles(_seen(truth, tiles), scan)) == _values(truth)


@given(st.data(), grids())
def test_objects_that_overlap_are_told_apart_if_tiles_overlap_more(
    data: st.DataObject, grid: tuple[Extent, list[Region], int]
) -> None:
    scan, tiles, overlap = grid
    assume(overlap > _CLEAR)
    truth = data.draw(objects(scan, largest=overlap - _CLEAR, limit=0.5))
    assert _values(merge_tiles(_seen(truth, tiles), scan)) == _values(truth)


@given(st.data(), grids(), st.randoms())
def test_neither_the_order_of_tiles_nor_that_of_boxes_matters(
    data: st.DataObject, grid: tuple[Extent, list[Region], int], random: Random
) -> None:
    scan, tiles, _ = grid
    found = [
        (tile, boxes)
        for tile in tiles
        for boxes in (data.draw(objects(tile.extent, largest=50, limit=1)),)
    ]
    found = [
        (tile, boxes.shifted(rows=tile.top, cols=tile.left)) for tile, boxes in found
    ]
    shuffled = [
        (tile, boxes.taken(np.array(random.sample(range(len(boxes)), len(boxes)))))
        for tile, boxes in random.sample(found, len(found))
    ]
    one, other = merge_tiles(found, scan), merge_tiles(shuffled, scan)
    assert np.array_equal(one.boxes, other.boxes)
    assert np.array_equal(one.classes, other.classes)
    assert np.array_equal(one.scores, other.scores)


def test_of_two_tiles_that_see_an_object_whole_the_one_around_it_judges() -> None:
    scan, tiles = Extent(64, 78), [Region(0, 0, 64, 64), Region(0, 14, 64, 64)]
    whole = Detections.of([[44, 9, 56, 21]], [1], [0.9])  # 8 px and 30 px from a border
    halves = Detections.of([[44, 9, 50, 21], [50, 9, 56, 21]], [1, 1], [0.6, 0.6])
    for one, other in ((whole, halves), (halves, whole)):
        found = merge_tiles(list(zip(tiles, (one, other), strict=True)), scan)
        assert _values(found) == _values(other)
    nothing = Detections.empty()
    assert not len(merge_tiles([(tiles[0], whole), (tiles[1], nothing)], scan))


def test_a_tile_that_sees_more_is_believed_where_it_sees_nothing() -> None:
    scan, tiles = Extent(100, 150), [Region(0, 0, 100, 100), Region(0, 50, 100, 100)]
    sliver = Detections.of([[90, 40, 100, 50]], [1], [0.9])
    nothing = Detections.empty()
    assert len(merge_tiles([(tiles[0], sliver), (tiles[1], nothing)], scan)) == 0
    # What ends within a tile, or at the scan's own border, is no part.
    for left, top in ((60, 40), (60, 90)):
        whole = Detections.of([[left, top, left + 10, top + 10]], [1], [0.9])
        assert len(merge_tiles([(tiles[0], whole), (tiles[1], nothing)], scan)) == 1


@pytest.mark.parametrize("left", range(48, 64))
def test_an_object_that_two_tiles_see_a_little_differently_is_not_lost(
    left: int,
) -> None:
    """Each might hold that it is cut off in the own tile, and whole in the other."""
    scan, tiles = Extent(100, 150), [Region(0, 0, 100, 100), Region(0, 50, 100, 100)]
    for shift in np.arange(-1.75, 2, 0.25):
        one = Detections.of([[left + shift, 40, 150 - left + shift, 60]], [1], [0.8])
        other = Detections.of([[left - shift, 40, 150 - left - shift, 60]], [1], [0.9])
        seen = [(tiles[0], one), (tiles[1], other)]
        clipped = [(tile, _inside(boxes, tile)) for tile, boxes in seen]
        assert len(merge_tiles(clipped, scan)) == 1


@given(st.integers(0, 2**32), st.integers(100, 260), st.integers(100, 260))
def test_a_detector_that_errs_by_a_pixel_leaves_neither_doubles_nor_cut_boxes(
    seed: int, rows: int, cols: int
) -> None:
    rng = np.random.default_rng(seed)
    scan = Extent(rows, cols)
    tiles = cover(scan, Extent(100, 100), overlap_px=Extent(50, 50))
    # One object in the middle of each field of 40 px: all are apart.
    tops, lefts = np.mgrid[5 : rows - 30 : 40, 5 : cols - 30 : 40].reshape(2, -1)
    sides = rng.integers(16, 30, (2, len(tops)))
    boxes = np.stack([lefts, tops, lefts + sides[1], tops + sides[0]], axis=1)
    truth = Detections.of(boxes, np.ones(len(boxes)))
    seen = []
    for tile, part in _seen(truth, list(tiles)):
        found = part.boxes + rng.uniform(-1, 1, part.boxes.shape)
        turned = (found[:, :2] >= found[:, 2:]).any(axis=1)
        scores = rng.uniform(0.5, 1, len(part))
        noisy = Detections.of(found[~turned], part.classes[~turned], scores[~turned])
        seen.append((tile, _inside(noisy, tile)))
    merged = merge_tiles(seen, scan)
    assert len(merged) == len(truth)
    order = np.lexsort((merged.boxes[:, 0] // 40, merged.boxes[:, 1] // 40))
    assert np.abs(merged.boxes[order] - truth.boxes).max() <= 1


def test_parts_of_a_large_object_have_the_highest_score() -> None:
    scan, tiles = Extent(60, 150), [Region(0, 0, 60, 100), Region(0, 50, 60, 100)]
    parts = [
        (tiles[0], Detections.of([[20, 10, 100, 40]], [1], [0.6])),
        (tiles[1], Detections.of([[50, 11, 130, 42]], [1], [0.8])),
    ]
    found = merge_tiles(parts, scan)
    assert found.boxes.tolist() == [[20, 10, 130, 42]]
    assert found.scores == pytest.approx(0.8)


def test_a_part_that_ends_before_the_border_gives_way_to_what_reaches_beyond() -> None:
    scan, tiles = Extent(100, 150), [Region(0, 0, 100, 100), Region(0, 50, 100, 100)]
    part = Detections.of([[70, 40, 93, 60]], [1], [0.9])
    whole = Detections.of([[70, 40, 130, 60]], [1], [0.6])
    found = merge_tiles([(tiles[0], part), (tiles[1], whole)], scan)
    assert found.boxes.tolist() == whole.boxes.tolist()
    # Where one tile sees both ends of both, they are two objects.
    both = Detections.joined([part, whole])
    assert len(merge_tiles([(tiles[1], both)], scan)) == 2


def test_what_is_hardly_believed_does_not_change_what_is() -> None:
    scan, tiles = Extent(100, 150), [Region(0, 0, 100, 100), Region(0, 50, 100, 100)]
    for right in (90, 100):  # a box that ends within its tile, or is cut off
        sure = Detections.of([[30, 40, right, 60]], [1], [0.9])
        unsure = Detections.of([[50, 38, 140, 62]], [1], [0.3])
        found = merge_tiles([(tiles[0], sure), (tiles[1], unsure)], scan)
        assert found.boxes.tolist() == [*sure.boxes.tolist(), *unsure.boxes.tolist()]


def test_a_crowd_of_boxes_does_not_become_one() -> None:
    """An object has one box in a tile: no chain joins all that overlaps."""
    rng = np.random.default_rng(0)
    scan, tiles = Extent(100, 150), [Region(0, 0, 100, 100), Region(0, 50, 100, 100)]
    seen = []
    for tile in tiles:
        tops, sides = rng.uniform(0, 70, 60), rng.uniform(20, 30, 60)
        boxes = np.stack([np.full(60, 40), tops, np.full(60, 110), tops + sides], 1)
        crowd = Detections.of(boxes, np.ones(60), rng.uniform(0.5, 1, 60))
        seen.append((tile, suppress(_inside(crowd, tile))))
    merged = merge_tiles(seen, scan)
    assert len(merged) > 1
    assert merged.boxes[:, 3].max() - merged.boxes[:, 1].min() > 80
    assert (merged.boxes[:, 3] - merged.boxes[:, 1]).max() < 60


def test_no_tiles_have_no_boxes() -> None:
    assert len(merge_tiles([], Extent(5, 5))) == 0
    assert len(suppress(Detections.empty())) == 0


@st.composite
def crowds(draw: st.DrawFn) -> Detections:
    """Many boxes on a small ground; scores differ, for ties are ours to settle."""
    count = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    starts, sides = rng.uniform(0, 60, (count, 2)), rng.uniform(0.1, 40, (count, 2))
    boxes = np.concatenate([starts, starts + sides], axis=1)
    scores = rng.permutation(count) / count
    return Detections.of(boxes, rng.integers(1, 4, count), scores)


@given(crowds(), st.sampled_from([0.3, 0.5, 0.7]))
def test_suppression_agrees_with_torchvision(found: Detections, limit: float) -> None:
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    kept = torchvision.ops.batched_nms(
        torch.from_numpy(found.boxes),
        torch.from_numpy(found.scores),
        torch.from_numpy(found.classes),
        limit,
    )
    expected = found.taken(kept.numpy())
    assert _values(suppress(found, limit=limit)) == _values(expected)


def test_ties_go_to_the_box_further_left_and_up() -> None:
    boxes = [[1, 0, 11, 10], [0, 1, 10, 11], [0, 0, 10, 10]]
    found = suppress(Detections.of(boxes, [1, 1, 1], [0.5, 0.5, 0.5]))
    assert found.boxes.tolist() == [[0, 0, 10, 10]]


def test_few_pairs_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    starts = rng.uniform(0, 400, (900, 2))
    boxes = np.concatenate([starts, starts + rng.uniform(5, 60, (900, 2))], axis=1)
    found = Detections.of(boxes, rng.integers(1, 3, 900), rng.uniform(0, 1, 900))
    at_once = _values(suppress(found))
    monkeypatch.setattr(import_module("segx.boxes.suppress"), "_PAIRS", 50)
    assert _values(suppress(found)) == at_once
