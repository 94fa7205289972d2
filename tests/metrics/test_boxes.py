"""Hits and precision of boxes, held against torchmetrics and by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.ops import box_iou

from segx.metrics import boxes
from segx.metrics.boxes import IOU_THRESHOLDS, box_precision, match_boxes, overlaps_of

pytest.importorskip("pycocotools", reason="boxes are scored with segx[detection]")
from segx.metrics.case_boxes import CaseBoxes

seeds = st.integers(0, 2**32 - 1)


def some_boxes(rng: np.random.Generator, most: int = 6) -> NDArray[np.float32]:
    starts = rng.integers(0, 12, (int(rng.integers(most + 1)), 2))
    ends = starts + rng.integers(1, 9, starts.shape)
    return np.hstack([starts, ends]).astype(np.float32)


def some_case(rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """True boxes, and found ones that resemble some of them, the best first."""
    truth = some_boxes(rng)
    near = truth + rng.integers(-1, 2, truth.shape)
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
    found = np.vstack([near, some_boxes(rng, 3)]).astype(np.float32)
    scores = np.sort(rng.permutation(1000)[: len(found)])[::-1] / 1000
    order = rng.permutation(len(found))
    return {"truth": truth, "found": found[order], "scores": scores.copy()}


def fed(cases: list[dict[str, NDArray[np.generic]]], names: int = 1) -> CaseBoxes:
    metric = CaseBoxes([f"class{i}" for i in range(names)])
    for case in cases:
        ids = [
            torch.from_numpy(np.arange(len(case[key])) % names + 1)
            for key in ("found", "truth")
        ]
        scores = torch.from_numpy(case["scores"]).float()
        boxes = torch.from_numpy(case["found"])
        metric.update(
            [{"boxes": boxes, "labels": ids[0], "scores": scores}],
            [{"boxes": torch.from_numpy(case["truth"]), "labels": ids[1]}],
        )
    return metric


def ours(cases: list[dict[str, NDArray[np.generic]]]) -> list[float]:
    """Average precision at each overlap, of one class."""
    scores = np.concatenate([case["scores"] for case in cases])
    order = np.argsort(-scores, kind="stable")
    hits = np.vstack([match_boxes(case["found"], case["truth"]) for case in cases])
    truths = np.array([float(sum(len(case["truth"]) for case in cases))])
    once = np.ones((1, len(scores)))
    return [float(box_precision(column[order], once, truths)[0]) for column in hits.T]


@given(seed=seeds)
def test_overlaps_are_those_of_torchvision(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = some_boxes(rng), some_boxes(rng)
    expected = box_iou(torch.from_numpy(first), torch.from_numpy(second))
    assert overlaps_of(first, second) == pytest.approx(expected.numpy(), abs=1e-6)


@settings(max_examples=25)
@given(seed=seeds, count=st.integers(1, 4))
def test_precision_is_that_of_torchmetrics(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    cases = [some_case(rng) for _ in range(count)]
    theirs, mine = fed(cases).scores(), ours(cases)
    if not sum(len(case["truth"]) for case in cases):
        assert all(math.isnan(value) for value in (*mine, theirs.map, theirs.map50))
        return
    assert theirs.map == pytest.approx(np.mean(mine), abs=1e-5)
    assert theirs.map50 == pytest.approx(mine[0], abs=1e-5)
    assert theirs.map75 == pytest.approx(mine[5], abs=1e-5)


@given(seed=seeds)
def test_a_case_that_is_drawn_twice_counts_as_two(seed: int) -> None:
    rng = np.random.default_rng(seed)
    hits = rng.random(8) < 0.5
    weights = rng.integers(0, 3, (4, 8)).astype(float)
    truths = weights @ hits + 1
    repeated = [
        box_precision(np.repeat(hits, row.astype(int)), np.ones((1, int(row.sum()))), n)
        if row.sum()
        else np.zeros(1)
        for row, n in zip(weights, truths[:, np.newaxis], strict=True)
    ]
    found = box_precision(hits, weights, truths)
    assert found == pytest.approx(np.concatenate(repeated))


@given(seed=seeds, at_once=st.integers(1, 9))
def test_many_boxes_are_compared_in_parts(seed: int, at_once: int) -> None:
    case = some_case(np.random.default_rng(seed))
    whole = match_boxes(case["found"], case["truth"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxes, "_PAIRS", at_once)
        parts = match_boxes(case["found"], case["truth"])
    assert np.array_equal(whole, parts)


def test_a_true_box_is_hit_once_and_by_the_best_first() -> None:
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])
    found = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [20, 0, 30, 4], [50, 50, 51, 51]])
    hits = match_boxes(found, truth, thresholds=(0.5, 0.95))
    assert hits[:, 0].tolist() == [True, False, False, False]
    assert hits[:, 1].tolist() == [False, True, False, False]


@given(seed=seeds)
def test_more_overlap_is_asked_of_fewer_hits(seed: int) -> None:
    case = some_case(np.random.default_rng(seed))
    totals = match_boxes(case["found"], case["truth"]).sum(axis=0)
    assert len(totals) == len(IOU_THRESHOLDS)
    assert totals[0] >= totals[-1]


def test_perfect_boxes_score_1_and_each_class_by_itself() -> None:
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(3):
        truth = some_boxes(rng) + 1
        scores = np.linspace(0.9, 0.5, len(truth))
        cases.append({"truth": truth, "found": truth, "scores": scores})
    scores = fed(cases, names=2).scores()
    assert (scores.map, scores.map50, scores.map75) == pytest.approx((1, 1, 1))
    assert scores.classes == pytest.approx({"class0": 1, "class1": 1})
    absent = fed(cases, names=1)
    absent.names = ("class0", "never")
    assert math.isnan(absent.scores().classes["never"])
    assert absent.scores().map == pytest.approx(1)


def test_no_box_at_all_is_no_score() -> None:
    nothing = np.zeros((0, 4), np.float32)
    case = {"truth": nothing, "found": nothing, "scores": np.zeros(0)}
    assert math.isnan(fed([case]).scores().map50)
    false = {**case, "found": np.ones((1, 4)) * [0, 0, 4, 4], "scores": np.ones(1)}
    false["found"] = false["found"].astype(np.float32)
    assert math.isnan(fed([case, false]).scores().map50)


def test_more_objects_than_coco_counts_are_counted() -> None:
    rows, cols = np.divmod(np.arange(300), 20)
    truth = np.stack([cols * 9, rows * 9, cols * 9 + 8, rows * 9 + 8], axis=1)
    boxes = truth.astype(np.float32)
    case = {"truth": boxes, "found": boxes, "scores": np.linspace(1, 0.1, 300)}
    assert fed([case]).scores().map == pytest.approx(1)
