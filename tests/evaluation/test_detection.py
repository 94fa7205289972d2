"""The scores of boxes over images: counts by hand, values by torchmetrics."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("pycocotools", reason="boxes are scored with segx[detection]")

from segx.boxes import Detections
from segx.errors import DataError
from segx.evaluation.detection import (
    DETECTION_POLICY,
    BoxCounts,
    DetectedCase,
    DetectionSummary,
    summarise_detected,
)
from segx.evaluation.report import Look, write_detection_report
from segx.evaluation.report.boxes import report_on_boxes
from segx.evaluation.report.sketch import FALSE, MISSED, RIGHT
from segx.evaluation.summary_file import write_detection_summary
from segx.geometry import Extent
from segx.pages import Gallery
from tests.pages.offline import addresses, parse

NAMES = ("cell", "debris")


def grid(count: int, seed: int) -> Detections:
    """Boxes of both classes that don't touch."""
    rng = np.random.default_rng(seed)
    rows, cols = np.divmod(rng.permutation(25)[:count], 5)
    starts = np.stack([cols * 20, rows * 20], axis=1) + rng.integers(0, 6, (count, 2))
    boxes = np.hstack([starts, starts + rng.integers(8, 14, (count, 2))])
    return Detections.of(boxes, rng.integers(1, 3, count))


def scored(objects: Detections, scores: Sequence[float]) -> Detections:
    return Detections.of(objects.boxes, objects.classes, scores)


def some_cases(seed: int, *, count: int = 5) -> list[DetectedCase]:
    """Some objects found, some shifted, some not there."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        truth = grid(int(rng.integers(0, 9)), seed + number)
        kept = truth.taken(rng.random(len(truth)) < 0.8)
        wrong = grid(2, seed + 999 + number)
        shift = rng.integers(-2, 3, 2).tolist()
        both = Detections.joined([kept.shifted(rows=shift[0], cols=shift[1]), wrong])
        scores = rng.permutation(100)[: len(both)] / 100
        patient = f"p{number // 2}"
        cases.append(DetectedCase(f"c{number}", patient, scored(both, scores), truth))
    return cases


def summed_up(cases: Sequence[DetectedCase]) -> DetectionSummary:
    return summarise_detected(cases, class_names=NAMES, score_threshold=0.5)


def test_counts_are_those_made_by_hand() -> None:
    truth = Detections.of([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]], [1, 1, 2])
    found = Detections.of(
        [
            [0, 0, 10, 9],  # found
            [0, 0, 10, 10],  # a second time: false
            [20, 0, 30, 4],  # covers too little: false, and one is missed
            [40, 0, 50, 10],  # of another class: false, and one is missed
            [60, 0, 70, 10],  # not sure enough: does not count
        ],
        [1, 1, 1, 1, 1],
        [0.9, 0.8, 0.7, 0.5, 0.49],
    )
    case = DetectedCase("a", None, found, truth)
    assert case.counted(0.5, [1, 2]) == BoxCounts(3, 1, 2, 3)
    assert case.counted(0.5, [2]) == BoxCounts(1, 0, 1, 0)
    summary = summed_up([case])
    assert summary.counts == BoxCounts(3, 1, 2, 3)
    assert summary.scores.sensitivity.value == pytest.approx(1 / 3)
    assert summary.scores.precision.value == pytest.approx(1 / 4)
    assert [item.n_images for item in summary.classes] == [1, 1]


@settings(max_examples=4)
@given(seed=st.integers(0, 10_000))
def test_counts_add_up_and_values_lie_in_their_intervals(seed: int) -> None:
    cases = some_cases(seed)
    summary = summed_up(cases)
    counts = summary.counts
    assert counts.found + counts.missed == counts.objects
    assert counts.objects == sum(len(case.truth) for case in cases)
    assert counts == BoxCounts(
        *(
            sum(getattr(item.counts, name) for item in summary.classes)
            for name in ("objects", "found", "missed", "false")
        )
    )
    scores = summary.scores
    if math.isnan(scores.map.value):
        return
    assert scores.map.value <= scores.map50.value + 1e-9
    defined = [item.ap50.value for item in summary.classes if item.counts.objects]
    assert scores.map50.value == pytest.approx(np.mean(defined))
    for estimate in (scores.map, scores.map50, scores.map75):
        assert estimate.low - 1e-9 <= estimate.high + 1e-9
        assert (estimate.low >= 0, estimate.high <= 1 + 1e-9) == (True, True)
        assert (estimate.n, estimate.n_patients) == (5, 3)


def test_the_order_of_images_changes_nothing() -> None:
    cases = some_cases(3)
    assert summed_up(cases) == summed_up(cases[::-1])


def test_intervals_are_of_patients_and_the_draws_mean_what_the_value_means() -> None:
    """Where all patients are alike, every draw gives the value itself."""
    one = some_cases(1, count=1)[0]
    alike = [
        DetectedCase(f"c{number}", f"p{number}", one.found, one.truth)
        for number in range(4)
    ]
    for estimate in (summed_up(alike).scores.map, summed_up(alike).scores.map50):
        assert estimate.draws_agree
        assert estimate.low == pytest.approx(estimate.value, abs=1e-6)


def test_images_without_objects_count_their_false_boxes() -> None:
    full = DetectedCase("a", None, scored(grid(4, 0), [0.9] * 4), grid(4, 0))
    empty = DetectedCase("b", None, scored(grid(4, 1), [0.95] * 4), Detections.empty())
    alone, both = summed_up([full]), summed_up([full, empty])
    assert alone.scores.map50.value == pytest.approx(1)
    assert both.scores.map50.value < 0.9
    assert both.counts.false == 4
    nothing = summed_up([empty])
    assert math.isnan(nothing.scores.map.value)
    assert math.isnan(nothing.scores.map.low)


def test_no_image_and_the_same_twice_are_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        summed_up([])
    with pytest.raises(DataError, match="'c0'"):
        summed_up(some_cases(0, count=1) * 2)


def test_the_summary_is_strict_json_with_its_policy(tmp_path: Path) -> None:
    cases = [DetectedCase("b", None, Detections.empty(), Detections.empty())]
    write_detection_summary(tmp_path / "summary.json", summed_up(cases))
    content = json.loads((tmp_path / "summary.json").read_text())
    assert content["task"] == "detection"
    assert content["policy"] == DETECTION_POLICY
    assert content["scores"]["map50"]["value"] is None
    assert content["score_threshold"] == 0.5
    assert content["classes"]["cell"]["counts"]["objects"] == 0


def test_the_report_shows_the_summary_and_the_worst_images(tmp_path: Path) -> None:
    cases = some_cases(5)
    summary = summed_up(cases)
    picture = np.random.default_rng(0).integers(0, 255, (100, 120, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "c.png")
    images = {case.case: (tmp_path / "c.png", Extent(100, 120)) for case in cases}
    page = report_on_boxes(summary, cases, images=images, look=Look())
    (gallery,) = next(s for s in page.sections if s.heading == "Most mistakes").blocks
    assert isinstance(gallery, Gallery)
    wrong = {case.case: case.counted(0.5, [1, 2]) for case in cases}
    worst = max(wrong.values(), key=lambda n: n.missed + n.false)
    assert wrong[gallery.pictures[0].title] == worst
    for shown in gallery.pictures:
        counts = wrong[shown.title]
        corners = {line.line: line.path.count("M") for line in shown.contours}
        told = (corners.get(line, 0) for line in (RIGHT, MISSED, FALSE))
        assert tuple(told) == (counts.found, counts.missed, counts.false)
    write_detection_report(tmp_path / "report.html", summary, cases, images=images)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert addresses(html) == []
    text = " ".join(" ".join(parse(html).shown).split())
    assert f"{summary.scores.map50.value:.3f}" in text
    assert DETECTION_POLICY in text
