"""Whole cases, images and volumes: what is counted, measured and pooled."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import ConfigError, DataError
from segx.evaluation.cases import Distances, Size
from segx.evaluation.masks import MaskEvaluation, common_unit, spacing_of
from segx.labels import Labels
from segx.metrics import reliability
from segx.scans.memory import ArrayScan

CELLS = Labels("multiclass", ("background", "cytoplasm", "nucleus"), ignore_index=255)
CELL = Labels("binary", ("background", "cell"))
ORGANS = Labels("multilabel", ("lung", "heart"), ignore_index=255)


@st.composite
def cases(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Truth and prediction with ids 0, 1, 2: images or volumes, (2, …)."""
    shape = [draw(st.integers(1, 6)) for _ in range(draw(st.integers(2, 3)))]
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    return random.integers(0, 3, (2, *shape)).astype(np.uint8)


def evaluate(truth: NDArray[np.uint8], predicted: NDArray[np.uint8]) -> MaskEvaluation:
    evaluation = MaskEvaluation(CELLS, unit="mm", tolerance=1)
    spacing = (2.0, 0.5, 0.75)[: truth.ndim]
    evaluation.add("a", truth, predicted, patient="p", spacing_mm=spacing)
    return evaluation


@settings(max_examples=15)
@given(cases(), st.integers(0, 2**32))
def test_ignored_pixels_change_nothing(pair: NDArray[np.uint8], seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = pair[0].copy()
    truth[random.random(truth.shape) < 0.3] = 255
    other = pair[1].copy()
    other[truth == 255] = random.integers(0, 3, int((truth == 255).sum()))
    there, back = evaluate(truth, pair[1]), evaluate(truth, other)
    assert repr(there.rows) == repr(back.rows)  # nan is not equal to itself
    assert there.summarise().confusion == back.summarise().confusion


@settings(max_examples=15)
@given(cases())
def test_renaming_classes_renames_every_measure(pair: NDArray[np.uint8]) -> None:
    swap = np.array([0, 2, 1], np.uint8)
    cytoplasm, nucleus = evaluate(*pair).rows
    first, second = evaluate(*swap[pair]).rows
    for there, back in ((cytoplasm, second), (nucleus, first)):
        assert there.counts == back.counts
        assert repr(there.distances) == repr(back.distances)
        assert there.truth_size == back.truth_size


@settings(max_examples=15)
@given(cases())
def test_the_confusion_holds_the_counts(pair: NDArray[np.uint8]) -> None:
    evaluation = evaluate(*pair)
    confusion = evaluation.summarise().confusion
    assert confusion is not None
    table = np.array(confusion.counts)
    assert table.sum() == pair[0].size
    for index, row in enumerate(evaluation.rows, start=1):
        assert row.counts.tp == table[index, index]
        assert row.counts.tp + row.counts.fp == table[:, index].sum()
        assert row.counts.tp + row.counts.fn == table[index].sum()


def test_sizes_are_areas_or_volumes_where_the_spacing_is_known() -> None:
    mask = np.zeros((4, 6, 6), np.uint8)
    mask[1:3, 1:4, 1:4] = 1
    volume, _ = evaluate(mask, mask).rows
    assert volume.truth_size == Size(18 * 2.0 * 0.5 * 0.75, "mm3")
    image, _ = evaluate(mask[1], mask[1]).rows
    assert image.truth_size == Size(9 * 2.0 * 0.5, "mm2")
    assert image.distances == Distances(0.0, 1.0, 1, "mm")
    unknown = MaskEvaluation(CELLS, unit="px")
    unknown.add("a", mask[1], mask[1])
    assert unknown.rows[0].truth_size == Size(9, "px")
    assert unknown.rows[0].distances == Distances(0.0, None, None, "px")


def test_units_are_never_mixed(caplog: pytest.LogCaptureFixture) -> None:
    assert common_unit([(1.0, 1.0), (0.5, 0.5)]) == "mm"
    assert common_unit([None, None]) == "px"
    with caplog.at_level(logging.WARNING, logger="segx"):
        logging.getLogger("segx").propagate = True
        assert common_unit([(1.0, 1.0), None]) == "px"
    assert "1 of 2 cases do not tell" in caplog.text
    assert spacing_of(ArrayScan(np.zeros((4, 5)))) is None


def test_planes_of_a_multilabel_mask_are_measured_apart() -> None:
    truth, predicted = np.zeros((2, 8, 8, 2), np.uint8)
    truth[2:5, 2:5, 0] = predicted[2:5, 2:5, 0] = 1
    truth[2:5, 2:5, 1] = predicted[3:6, 2:5, 1] = 1
    evaluation = MaskEvaluation(ORGANS, unit="px", tolerance=0.5)
    evaluation.add("a", truth, predicted)
    lung, heart = evaluation.rows
    assert lung.distances == Distances(0.0, 1.0, 0.5, "px")
    assert heart.distances is not None
    assert heart.distances.hd95 == 1
    assert evaluation.summarise().confusion is None


@pytest.mark.parametrize("labels", [CELL, CELLS, ORGANS])
def test_probabilities_of_bands_make_the_reliability_of_the_whole(
    labels: Labels,
) -> None:
    random = np.random.default_rng(0)
    several = labels.kind == "multilabel"
    ids = 2 if several or labels.kind == "binary" else 3
    shape = (12, 7, 2) if several else (12, 7)
    truth = random.integers(0, ids, shape).astype(np.uint8)
    if labels.ignore_index is not None:
        truth[:3] = labels.ignore_index
    scores = random.random((labels.logits, 12, 7)).astype(np.float32)
    evaluation = MaskEvaluation(labels, unit="px")
    predicted = np.where(truth == 255, 0, truth)
    evaluation.add("a", truth, predicted)
    for rows in (slice(0, 5), slice(5, 12)):
        evaluation.add_probabilities(truth[rows], scores[:, rows])
    counted = slice(3, None) if labels.ignore_index is not None else slice(None)
    for index, item in enumerate(evaluation.summarise().classes):
        real = truth[..., index] == 1 if several else truth == index + 1
        scored = scores[index + (labels.kind == "multiclass")]
        wanted = reliability(real[counted], scored[counted])
        assert item.reliability is not None
        assert item.reliability.n == wanted.n
        np.testing.assert_allclose(
            item.reliability.probability, wanted.probability, rtol=1e-5
        )
        np.testing.assert_allclose(item.reliability.frequency, wanted.frequency)


def test_what_can_not_be_measured_is_refused() -> None:
    mask = np.zeros((4, 5), np.uint8)
    with pytest.raises(ConfigError, match="tolerance of -1 mm"):
        MaskEvaluation(CELL, unit="mm", tolerance=-1)
    with pytest.raises(DataError, match="size of a pixel is unknown"):
        MaskEvaluation(CELL, unit="mm").add("a", mask, mask)
    with pytest.raises(DataError, match=r"\(4, 5\).*\(5, 4\)"):
        MaskEvaluation(CELL, unit="px").add("a", mask, mask.T)


def test_a_missed_object_is_a_failure_and_no_mean_improves() -> None:
    there, nothing = np.ones((4, 5), np.uint8), np.zeros((4, 5), np.uint8)
    evaluation = MaskEvaluation(CELL, unit="px", tolerance=1)
    evaluation.add("a", there, there)
    evaluation.add("b", there, nothing)
    evaluation.add("c", nothing, there)
    evaluation.add("d", nothing, nothing)
    (cell,) = evaluation.summarise().classes
    assert cell.hd95 is not None
    assert (cell.hd95.median, cell.hd95.n, cell.hd95.n_failures) == (0, 1, 2)
    assert cell.nsd is not None
    assert cell.nsd.value == pytest.approx(1 / 3)
    assert cell.presence_sensitivity.value == cell.presence_specificity.value == 0.5
    assert cell.volume_error.value == pytest.approx(-0.5)
    assert math.isfinite(cell.dice.value)
