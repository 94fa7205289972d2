"""A temperature changes how sure, never which; the predicted Dice never falls."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.errors import ModelError
from segx.masks.activation import softmax
from segx.masks.calibration import Calibration

_SHARES = st.floats(0, 1)


@given(st.floats(0.05, 20), st.integers(0, 99))
def test_the_most_probable_class_stays(temperature: float, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 5, (50, 4)).astype(np.float32)
    tempered = Calibration(temperature).temper(logits)
    assert np.array_equal(tempered.argmax(axis=1), logits.argmax(axis=1))
    surest = softmax(logits, axis=1).max(axis=1)
    found = softmax(tempered, axis=1).max(axis=1)
    less_sure = found <= surest + 1e-6 if temperature > 1 else found >= surest - 1e-6
    assert less_sure.all()


@given(
    st.lists(_SHARES, min_size=1, max_size=8, unique=True).map(sorted),
    st.lists(_SHARES, min_size=8, max_size=8).map(sorted),
    st.lists(_SHARES, min_size=2, max_size=20).map(sorted),
)
def test_a_higher_soft_dice_never_predicts_a_lower_dice(
    soft: list[float], dice: list[float], asked: list[float]
) -> None:
    known = tuple(dice[: len(soft)])
    calibration = Calibration(soft_dice=tuple(soft), dice=known)
    found = [calibration.predict_dice(value) for value in asked]
    assert all(value is not None and known[0] <= value <= known[-1] for value in found)
    assert np.all(np.diff(np.asarray(found, float)) >= -1e-12)


def test_where_no_case_was_looked_at_nothing_is_predicted() -> None:
    assert Calibration(2.0).predict_dice(0.5) is None


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 0.0},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"flag_below": 1.1},
        {"soft_dice": (0.1,)},
        {"soft_dice": (0.5, 0.1), "dice": (0.1, 0.5)},
        {"soft_dice": (0.1, 0.1), "dice": (0.1, 0.5)},
        {"soft_dice": (0.1, 0.5), "dice": (0.5, 0.1)},
        {"soft_dice": (math.nan,), "dice": (0.1,)},
        {"soft_dice": (0.1,), "dice": (math.nan,)},
    ],
)
def test_what_is_no_calibration_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="are no calibration"):
        Calibration(**values)  # type: ignore[arg-type]
