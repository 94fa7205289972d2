"""Sums of rows give what the whole scan gives, however it was cut."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.inference.confidence import (
    LOOK,
    NOTHING_FOUND,
    Confidence,
    expected_pixels,
    sum_rows,
)
from segx.labels import Labels
from segx.masks.calibration import Calibration
from segx.masks.decide import decide
from segx.masks.uncertainty import entropy
from tests.inference.stubs import BINARY, LAYERS, THREE

ALL = pytest.mark.parametrize("labels", [BINARY, THREE, LAYERS])


def _probabilities(labels: Labels, *, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed).random((labels.logits, 40, 30), np.float32)
    return random / random.sum(axis=0) if labels.kind == "multiclass" else random


def _confidence(
    probabilities: NDArray[np.float32],
    labels: Labels,
    *,
    calibration: Calibration | None = None,
) -> Confidence:
    mask = decide(probabilities, labels)
    sums = sum_rows(probabilities, mask, labels).sum(axis=0)
    return Confidence.of(sums, has_dissent=False, calibration=calibration)


@ALL
def test_the_numbers_are_those_of_their_definitions(labels: Labels) -> None:
    probabilities = _probabilities(labels)
    mask = decide(probabilities, labels)
    layers = (
        np.moveaxis(mask, 2, 0)
        if labels.kind == "multilabel"
        else np.stack([mask == k for k in range(1, len(labels.names))])
    ).astype(bool)
    believed = probabilities[-len(labels.foreground) :].astype(np.float64)
    found = _confidence(probabilities, labels)
    doubt = entropy(probabilities, labels)[layers.any(axis=0)]
    assert found.mean_entropy == pytest.approx(doubt.mean(dtype=float))
    soft = [
        2 * belief[layer].sum() / (belief.sum() + layer.sum())
        for belief, layer in zip(believed, layers, strict=True)
    ]
    assert found.soft_dice == pytest.approx(np.mean(soft))
    sums = sum_rows(probabilities, mask, labels).sum(axis=0)
    assert expected_pixels(sums) == pytest.approx(believed.sum(axis=(1, 2)))
    assert found.disagreement is None
    assert found.predicted_dice is None


@ALL
def test_rows_are_summed_alike_however_many_come_at_once(
    labels: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    probabilities = _probabilities(labels)
    mask = decide(probabilities, labels)
    whole = sum_rows(probabilities, mask, labels)
    monkeypatch.setattr("segx.inference.confidence._PIECE", 90)
    pieces = sum_rows(probabilities, mask, labels)
    assert np.array_equal(whole, pieces)
    bands = [
        sum_rows(probabilities[:, rows], mask[rows], labels)
        for rows in (slice(0, 7), slice(7, 8), slice(8, 40))
    ]
    assert np.array_equal(whole, np.concatenate(bands))


@given(st.floats(0.51, 0.99), st.floats(0.51, 0.99))
def test_surer_probabilities_of_one_mask_are_trusted_more(
    one: float, other: float
) -> None:
    inside = np.zeros((20, 20), bool)
    inside[5:12, 4:9] = True
    less, more = (
        _confidence(np.where(inside, p, 1 - p)[np.newaxis].astype(np.float32), BINARY)
        for p in sorted((one, other))
    )
    assert less.soft_dice is not None
    assert more.soft_dice is not None
    assert less.soft_dice <= more.soft_dice + 1e-6
    assert (less.mean_entropy or 0) >= (more.mean_entropy or 0) - 1e-6


def test_a_certain_mask_is_certain() -> None:
    probabilities = np.zeros((1, 9, 9), np.float32)
    probabilities[0, 2:5, 2:5] = 1
    found = _confidence(probabilities, BINARY)
    assert (found.mean_entropy, found.soft_dice, found.flag) == (0.0, 1.0, None)


def test_a_class_that_was_not_found_does_not_count() -> None:
    probabilities = np.zeros((3, 9, 9), np.float32)
    probabilities[0] = 1
    probabilities[:, 3, 3] = (0.0, 0.0, 1.0)
    assert _confidence(probabilities, THREE).soft_dice == 1.0


def test_what_is_predicted_below_the_limit_is_flagged() -> None:
    probabilities = np.full((1, 9, 9), 0.4, np.float32)
    probabilities[0, 2:5, 2:5] = 0.7
    found = _confidence(probabilities, BINARY)
    assert found.soft_dice is not None
    for limit, flag in ((0.31, LOOK), (0.3, None)):
        calibration = Calibration(
            soft_dice=(found.soft_dice,), dice=(0.3,), flag_below=limit
        )
        flagged = _confidence(probabilities, BINARY, calibration=calibration)
        assert (flagged.predicted_dice, flagged.flag) == (0.3, flag)


def test_an_empty_mask_is_told_and_nothing_else_is_said_of_it() -> None:
    calibration = Calibration(soft_dice=(0.5,), dice=(0.3,), flag_below=0.9)
    nothing = np.full((1, 9, 9), 0.1, np.float32)
    found = asdict(_confidence(nothing, BINARY, calibration=calibration))
    assert found.pop("flag") == NOTHING_FOUND
    assert set(found.values()) == {None}
