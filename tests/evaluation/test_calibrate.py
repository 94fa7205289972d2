"""The temperature is the one that made the logits; the flag knows bad cases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.special import log_softmax

from segx.data.case import Case
from segx.data.mask_values import MaskValues
from segx.data.reader import CaseReader
from segx.evaluation.calibrate import (
    Judged,
    calibrate_on,
    fit_dice,
    judge,
)
from segx.evaluation.corruptions import Corruption
from segx.evaluation.temperature import Examples, fit_temperature, sample_pixels
from segx.inference.confidence import Confidence
from segx.masks.calibration import Calibration
from tests.inference.stubs import BINARY, Identity, model, predictor_with


def _examples(temperature: float, *, classes: int = 3, count: int = 40_000) -> Examples:
    """Truth that is drawn from the logits at a temperature."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (count, classes)).astype(np.float32)
    noise = random.gumbel(size=logits.shape)
    return Examples(logits, (logits / temperature + noise).argmax(axis=1))


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 4.0])
def test_the_temperature_that_made_the_truth_is_found(
    temperature: float, classes: int
) -> None:
    examples = _examples(temperature, classes=classes)
    found = fit_temperature(examples)
    assert found == pytest.approx(temperature, rel=0.05)
    assert examples.error(found) < 0.01
    if temperature != 1:
        assert examples.error(found) < 0.5 * examples.error(1)


@given(st.integers(0, 999))
def test_no_other_temperature_is_likelier(seed: int) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 4, (60, 3)).astype(np.float32)
    examples = Examples(logits, random.integers(0, 3, 60))
    found = fit_temperature(examples)

    def surprise(temperature: float) -> float:
        chances = log_softmax(logits.astype(float) / temperature, axis=1)
        return -float(chances[np.arange(60), examples.truth].mean())

    others = np.geomspace(0.25, 10, 60)
    assert surprise(found) <= min(surprise(other) for other in others) + 1e-4


@pytest.mark.parametrize(("true", "kept"), [(1.0, 1.0), (2.0, 2.0), (3.0, 2.0)])
def test_a_temperature_is_kept_only_where_the_error_falls(
    true: float, kept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = "segx.evaluation.calibrate.fit_temperature"
    monkeypatch.setattr(place, lambda _: 2.0)
    examples = _examples(true)
    found = calibrate_on(examples, cases=5)
    assert (found.calibration.temperature, found.fitted) == (kept, 2.0)
    assert found.ece_before == examples.error(1)
    assert found.ece_after == examples.error(kept) <= found.ece_before


def _judged(soft_dice: float | None, dice: float) -> Judged:
    return Judged(Confidence(None, None, soft_dice, None, None), dice)


def test_the_predicted_dice_is_the_isotonic_fit() -> None:
    clean = [_judged(0.9, 0.8), _judged(0.95, 0.9)]
    damaged = [_judged(0.5, 0.3), _judged(0.6, 0.1), _judged(0.93, 0.85)]
    found = fit_dice(clean, damaged, like=Calibration(1.3))
    assert found.temperature == 1.3
    assert found.predict_dice(0.55) == pytest.approx(0.2)  # 0.3 and 0.1 are pooled
    assert found.predict_dice(0.1) == pytest.approx(0.2)
    assert found.predict_dice(0.99) == pytest.approx(0.9)
    clean_ones = [found.predict_dice(0.9), found.predict_dice(0.95)]
    assert found.flag_below == pytest.approx(np.quantile(clean_ones, 0.1))


def test_cases_without_a_dice_are_left_out() -> None:
    nothing = [_judged(None, 0.0), _judged(0.5, float("nan"))]
    assert fit_dice(nothing, [], like=Calibration(1.3)) == Calibration(1.3)
    known = [*nothing, _judged(0.5, 0.4)]
    assert fit_dice(known, nothing, like=Calibration()).dice == (0.4,)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A picture whose red is the chance that a pixel is a cell, and is drawn so."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (120, 90, 3), np.uint8)
    truth = random.random((120, 90)) < pixels[..., 0] / 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(truth.astype(np.uint8)).save(tmp_path / "mask.png")
    return Case("a", tmp_path / "a.png", (tmp_path / "mask.png",))


def _reader() -> CaseReader:
    return CaseReader(3, np.dtype(np.uint8), MaskValues(BINARY, {0: 0, 1: 1}))


class _Red(Identity):
    """Cells where it is red, twice as sure as is right."""

    def run(self, tiles: np.ndarray) -> np.ndarray:
        return 2 * super().run(tiles[:, :1])


def test_pixels_are_drawn_alike_and_tell_the_temperature(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segx.evaluation.temperature._PIXELS", 40_000)
    predictor = predictor_with(model(BINARY), _Red())
    examples, again = (
        sample_pixels(predictor, [case], _reader(), total=1) for _ in range(2)
    )
    assert np.array_equal(examples.logits, again.logits)
    assert np.array_equal(examples.truth, again.truth)
    assert fit_temperature(examples) == pytest.approx(2, rel=0.1)
    tempered = predictor.calibrated(Calibration(2.0))
    cooler = sample_pixels(tempered, [case], _reader(), total=1)
    assert fit_temperature(cooler) == pytest.approx(1, rel=0.1)


def test_ignored_pixels_are_not_drawn(case: Case) -> None:
    labels = replace(BINARY, ignore_index=1)
    reader = replace(_reader(), mask_values=MaskValues(labels, {0: 0, 1: 1}))
    predictor = predictor_with(model(labels), _Red())
    examples = sample_pixels(predictor, [case], reader, total=1)
    assert not examples.truth.any()


def test_a_case_is_judged_by_its_belief_and_by_its_truth(case: Case) -> None:
    predictor = predictor_with(model(BINARY), _Red())
    tempered = predictor.calibrated(Calibration(2.0))
    judged = judge(tempered, case, _reader())
    # The truth was drawn from the probabilities: the soft Dice expects the real one.
    assert judged.confidence.soft_dice == pytest.approx(judged.dice, abs=0.02)
    inverted = judge(tempered, case, _reader(), Corruption("inverted"))
    assert inverted.dice < 0.5 * judged.dice


def test_masks_stay_the_same_where_tiles_do_not_overlap(case: Case) -> None:
    predictor = predictor_with(model(BINARY), _Red(), tile=128)
    mask = predictor.predict(case.image)
    assert np.array_equal(
        predictor.calibrated(Calibration(3.0)).predict(case.image), mask
    )
    assert isinstance(predictor.members.members[0].runtime, _Red)
