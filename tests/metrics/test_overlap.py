"""Counts against a brute-force reference, and the laws of the ratios."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

from segx.errors import DataError
from segx.labels import Labels
from segx.metrics import Counts, count_overlap, defined_mean

CELLS = Labels("multiclass", ("background", "cytoplasm", "nucleus"), ignore_index=255)
CELL = Labels("binary", ("background", "cell"))
ORGANS = Labels("multilabel", ("lung", "heart"), ignore_index=255)

counts = st.builds(Counts, *(st.integers(0, 10**12) for _ in range(4)))


def masks(
    values: list[int], *, planes: int = 0
) -> st.SearchStrategy[NDArray[np.uint8]]:
    """Pairs of masks stacked: (2, rows, cols[, planes])."""
    sides = st.tuples(st.just(2), st.integers(1, 6), st.integers(1, 6))
    shapes = sides.map(lambda shape: (*shape, planes) if planes else shape)
    return shapes.flatmap(
        lambda shape: arrays.arrays(np.uint8, shape, elements=st.sampled_from(values))
    )


def one_by_one(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], wanted: int, ignored: int
) -> Counts:
    tally = {(True, True): 0, (False, True): 0, (True, False): 0, (False, False): 0}
    for t, p in zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True):
        if t != ignored:
            tally[t == wanted, p == wanted] += 1
    return Counts(
        tally[True, True], tally[False, True], tally[True, False], tally[False, False]
    )


@given(masks([0, 1, 2]), masks([0, 255]))
def test_counts_are_those_of_a_loop_over_pixels(
    pair: NDArray[np.uint8], ignored: NDArray[np.uint8]
) -> None:
    truth, predicted = pair
    truth = np.where(np.resize(ignored, truth.shape) == 255, np.uint8(255), truth)
    found = count_overlap(truth, predicted, CELLS)
    assert found == {
        "cytoplasm": one_by_one(truth, predicted, 1, 255),
        "nucleus": one_by_one(truth, predicted, 2, 255),
    }


@given(masks([0, 1], planes=2))
def test_planes_of_a_multilabel_mask_are_counted_apart(pair: NDArray[np.uint8]) -> None:
    truth, predicted = pair
    found = count_overlap(truth, predicted, ORGANS)
    for index, name in enumerate(ORGANS.names):
        plane = one_by_one(truth[..., index], predicted[..., index], 1, 255)
        assert found[name] == plane


@given(masks([0, 1, 2]))
def test_what_is_said_of_ignored_pixels_changes_nothing(
    pair: NDArray[np.uint8],
) -> None:
    truth, predicted = pair
    truth = truth.copy()
    truth[0] = 255
    other = predicted.copy()
    other[0] = 255 - predicted[0]
    assert count_overlap(truth, predicted, CELLS) == count_overlap(truth, other, CELLS)


@given(masks([0, 1, 2]))
def test_renaming_classes_renames_the_counts(pair: NDArray[np.uint8]) -> None:
    swap = np.array([0, 2, 1], np.uint8)
    found = count_overlap(*pair, CELLS)
    swapped = count_overlap(*swap[pair], CELLS)
    assert swapped == {"cytoplasm": found["nucleus"], "nucleus": found["cytoplasm"]}


@given(masks([0, 1]))
def test_ratios_are_scikit_learns(pair: NDArray[np.uint8]) -> None:
    truth, predicted = (mask.ravel() for mask in pair)
    count = count_overlap(*pair, CELL)["cell"]
    for ours, theirs in (
        (count.dice, sklearn_metrics.f1_score),
        (count.sensitivity, sklearn_metrics.recall_score),
        (count.precision, sklearn_metrics.precision_score),
    ):
        np.testing.assert_allclose(ours, theirs(truth, predicted, zero_division=np.nan))


@given(counts)
def test_dice_follows_from_iou_and_truth_and_prediction_can_change_places(
    count: Counts,
) -> None:
    swapped = Counts(count.tp, count.fn, count.fp, count.tn)
    if math.isnan(count.dice):
        assert math.isnan(count.iou)
        assert count.tp == count.fp == count.fn == 0
    else:
        assert count.dice == pytest.approx(2 * count.iou / (1 + count.iou))
        assert (swapped.dice, swapped.iou) == (count.dice, count.iou)
    assert (count + swapped).tp == 2 * count.tp


@given(masks([0, 1, 2]))
def test_two_bands_of_a_scan_add_up_to_the_whole(pair: NDArray[np.uint8]) -> None:
    cut = pair.shape[1] // 2
    bands = [count_overlap(*pair[:, :cut], CELLS), count_overlap(*pair[:, cut:], CELLS)]
    for name, whole in count_overlap(*pair, CELLS).items():
        assert bands[0][name] + bands[1][name] == whole


def test_the_four_case_truth_table() -> None:
    cases = [
        Counts(10, 0, 0, 0),
        Counts(5, 5, 5, 0),
        Counts(0, 0, 0, 9),
        Counts(0, 1, 0, 9),
    ]
    pooled = cases[0] + cases[1] + cases[2] + cases[3]
    dice = [case.dice for case in cases]
    assert defined_mean(dice) == pytest.approx(0.500)
    assert pooled.dice == pytest.approx(0.732, abs=5e-4)
    assert defined_mean(1.0 if math.isnan(d) else d for d in dice) == pytest.approx(
        0.625
    )
    with_truth = [case.dice for case in cases if case.tp + case.fn]
    assert defined_mean(with_truth) == pytest.approx(0.750)


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        (Counts(0, 0, 0, 9), (math.nan, math.nan, math.nan, math.nan)),
        (Counts(0, 1, 0, 9), (0.0, 0.0, math.nan, 0.0)),
        (Counts(0, 0, 1, 9), (0.0, 0.0, 0.0, math.nan)),
        (Counts(3, 0, 0, 9), (1.0, 1.0, 1.0, 1.0)),
    ],
)
def test_what_is_undefined_when_something_is_empty(
    count: Counts, wanted: tuple[float, ...]
) -> None:
    found = (count.dice, count.iou, count.sensitivity, count.precision)
    np.testing.assert_equal(found, wanted)


def test_a_case_that_is_all_ignored_is_undefined() -> None:
    truth = np.full((3, 3), 255, np.uint8)
    found = count_overlap(truth, np.ones((3, 3), np.uint8), CELLS)
    assert found == dict.fromkeys(CELLS.foreground, Counts(0, 0, 0, 0))


def test_a_mask_of_0_and_255_is_refused() -> None:
    mask = np.array([[0, 255]], np.uint8)
    with pytest.raises(DataError, match=r"truth holds values 0 … 255.*Map 0/255"):
        count_overlap(mask, mask // 255, CELL)
    with pytest.raises(DataError, match="prediction holds values 0 … 255"):
        count_overlap(mask // 255, mask, CELL)


@pytest.mark.parametrize("labels", [CELL, CELLS, ORGANS])
def test_shapes_that_differ_are_refused_with_both(labels: Labels) -> None:
    truth, predicted = np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint8)
    with pytest.raises(DataError, match=r"\(4, 5\).*\(5, 4\)"):
        count_overlap(truth, predicted, labels)
    with pytest.raises(DataError, match=r"one shape \(rows, cols"):
        count_overlap(truth[..., None, None], truth[..., None, None], labels)
