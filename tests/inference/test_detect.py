"""Boxes of a scan are those of one look at the whole, however it is cut."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from segx.boxes import Detections
from segx.errors import ModelError, OutOfMemoryError, ScanError
from segx.geometry import Extent
from segx.inference.detect import BoxPredictor, detect_image
from segx.inference.plan import TilePlan
from segx.inference.views import VIEWS, seen, unseen_boxes
from segx.scans.memory import ArrayScan
from tests.inference.stubs import BINARY, Blobs, box_predictor, drawn, model


def _values(found: Detections) -> list[tuple[float, ...]]:
    columns = (*found.boxes.T, found.classes, found.scores.round(2))
    return sorted(tuple(map(float, row)) for row in zip(*columns, strict=True))


def scattered(rows: int, cols: int, seed: int, *, count: int = 40) -> Detections:
    """Objects of two classes, from a pixel to larger than a tile, none touching."""
    rng = np.random.default_rng(seed)
    taken = np.zeros((rows + 2, cols + 2), np.bool_)
    boxes = []
    for _ in range(count):
        height, width = rng.integers(1, [min(rows, 50) + 1, min(cols, 50) + 1])
        top, left = rng.integers(0, [rows - height + 1, cols - width + 1])
        if not taken[top : top + height + 2, left : left + width + 2].any():
            taken[top + 1 : top + height + 1, left + 1 : left + width + 1] = True
            boxes.append([left, top, left + width, top + height])
    scores = rng.integers(60, 100, len(boxes)) / 100
    return Detections.of(boxes, rng.integers(1, 3, len(boxes)), scores)


@given(st.integers(1, 150), st.integers(1, 150), st.integers(0, 10**6))
def test_each_object_is_found_whole_and_once_in_a_scan_of_any_size(
    rows: int, cols: int, seed: int
) -> None:
    truth = scattered(rows, cols, seed)
    found = box_predictor(Blobs()).detect(drawn(truth, rows, cols))
    assert _values(found) == _values(truth)
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("views", ["flips", "all"])
def test_views_find_the_same_objects(views: str) -> None:
    truth = scattered(70, 90, seed=1)
    found = box_predictor(Blobs(), views=views).detect(drawn(truth, 70, 90))
    assert _values(found) == _values(truth)


@pytest.mark.parametrize("view", VIEWS["all"])
def test_a_box_is_turned_back_with_its_picture(view: int) -> None:
    truth = scattered(30, 50, seed=2)
    tiles = np.moveaxis(drawn(truth, 30, 50), 2, 0)[np.newaxis] / np.float32(255)
    (found,) = Blobs().find(seen(tiles, view))
    assert _values(unseen_boxes(found, view, Extent(30, 50))) == _values(truth)


def test_a_batch_that_is_too_large_is_halved_with_the_same_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Small(Blobs):
        def find(self, tiles: np.ndarray) -> list[Detections]:
            if len(tiles) > 2:
                raise OutOfMemoryError("too many")
            return super().find(tiles)

    truth = scattered(100, 90, seed=3)
    predictor = box_predictor(Small(), plan=TilePlan(32, 0.5, batch_size=8))
    assert _values(predictor.detect(drawn(truth, 100, 90))) == _values(truth)
    assert "2 tiles at once, not 4" in caplog.text


def test_what_is_blank_is_spared_and_nothing_is_missed() -> None:
    truth = Detections.of([[210, 205, 228, 230], [230, 240, 250, 250]], [1, 2], [1, 1])
    image = drawn(truth, 300, 300)
    every, some = Blobs(), Blobs()
    assert _values(box_predictor(every).detect(image)) == _values(truth)
    found = box_predictor(some, skip_blank=True).detect(image)
    assert _values(found) == _values(truth)
    assert some.tiles < every.tiles / 4


def test_boxes_below_the_threshold_are_left_out() -> None:
    truth = Detections.of([[0, 0, 5, 5], [10, 0, 15, 5]], [1, 1], [0.4, 0.8])
    image = drawn(truth, 20, 20)
    assert box_predictor(Blobs()).detect(image).scores == pytest.approx(0.8)
    assert len(box_predictor(Blobs(), score_threshold=0.3).detect(image)) == 2


class Twins:
    """Sees one pair of boxes everywhere, which share 0.6 of their union."""

    about = "twins"

    def find(self, tiles: np.ndarray) -> list[Detections]:
        pair = Detections.of([[2, 2, 12, 12], [2, 2, 12, 8]], [1, 1], [0.9, 0.8])
        return [pair] * len(tiles)


@pytest.mark.parametrize(("nms_iou", "boxes"), [(0.5, 1), (0.7, 2)])
def test_tiles_are_joined_as_the_detector_suppresses(
    nms_iou: float, boxes: int
) -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    assert len(box_predictor(Twins(), nms_iou=nms_iou).detect(image)) == boxes
    normalised = np.zeros((3, 20, 20), np.float32)
    found = detect_image(Twins(), normalised, plan=TilePlan(32), nms_iou=nms_iou)
    assert len(found) == boxes


@given(st.integers(1, 150), st.integers(1, 150), st.integers(0, 10**6))
def test_an_image_is_searched_as_a_scan_is(rows: int, cols: int, seed: int) -> None:
    truth = scattered(rows, cols, seed)
    normalised = np.moveaxis(drawn(truth, rows, cols), 2, 0) / np.float32(255)
    plan = TilePlan(32, 0.5)
    found = detect_image(Blobs(), normalised, plan=plan, nms_iou=0.5)
    assert _values(found) == _values(truth)


def test_a_volume_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.zeros((2, 9, 9), np.uint8), photometric="minisblack")
    with pytest.raises(ScanError, match=r"stack.tif has 2 planes, and objects"):
        box_predictor(Blobs()).detect(path)


def test_a_model_of_masks_is_refused() -> None:
    with pytest.raises(ModelError, match=r"finds no boxes. Load it by segx.load"):
        BoxPredictor(model(BINARY).spec, Blobs(), Path("runs/stub"))


def test_tiles_that_are_left_begin_behind_whole_batches() -> None:
    truth = scattered(100, 90, seed=4)
    scan = ArrayScan(drawn(truth, 100, 90))
    predictor = box_predictor(Blobs(), plan=TilePlan(32, 0.5, batch_size=3))
    tiles = predictor.tiles(scan)
    whole = list(predictor.find(scan, tiles))
    rest = list(predictor.find(scan, tiles[6:]))
    assert [len(batch) for batch in whole[2:]] == [len(batch) for batch in rest]
    pairs = zip(chain(*whole[2:]), chain(*rest), strict=True)
    for one, other in pairs:
        assert np.array_equal(one.boxes, other.boxes)


def test_it_is_said_where_a_detector_may_have_left_boxes_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    truth = Detections.of([[0, 0, 5, 5], [10, 0, 15, 5]], [1, 1], [0.8, 0.9])
    image = drawn(truth, 20, 100)
    box_predictor(Blobs(), most=3).detect(image)
    assert not caplog.records
    box_predictor(Blobs(), most=2).detect(image)
    assert "in 1 of 6 tiles the detector told 2 boxes, its most" in caplog.text


def test_a_scan_that_is_blank_all_over_holds_nothing() -> None:
    blobs = Blobs()
    image = np.zeros((100, 90, 3), np.uint8)
    assert len(box_predictor(blobs, skip_blank=True).detect(image)) == 0
    assert blobs.tiles == 0
