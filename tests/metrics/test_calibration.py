"""Reliability: parts add up, and the error is the gap between its two lines."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from segx.metrics import Reliability, calibration_error, reliability
from segx.metrics.calibration import BINS, bin_sums


@given(st.integers(1, 80), st.integers(0, 2**32))
def test_its_points_are_scikit_learns(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    real, scored = random.random(n) < 0.5, random.random(n)
    found = reliability(real, scored)
    frequency, probability = calibration_curve(real, scored, n_bins=BINS)
    filled = np.array(found.n) > 0
    assert sum(found.n) == n
    np.testing.assert_allclose(np.array(found.frequency)[filled], frequency)
    np.testing.assert_allclose(np.array(found.probability)[filled], probability)
    assert found.ece == pytest.approx(calibration_error(real, scored))


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 2**32))
def test_parts_add_up(first: int, second: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    real = random.random(first + second) < 0.5
    scored = random.random(first + second)
    parts = [slice(0, first), slice(first, None)]
    summed = sum(bin_sums(real[part], scored[part]) for part in parts)
    assert Reliability.of_sums(summed).n == reliability(real, scored).n
    assert Reliability.of_sums(summed).ece == pytest.approx(
        reliability(real, scored).ece
    )


def test_rounding_beyond_0_and_1_stays_in_the_outer_bins() -> None:
    found = reliability(np.array([False, True]), np.array([-1e-7, 1 + 1e-7]))
    assert (found.n[0], found.n[-1]) == (1, 1)
    assert math.isnan(reliability(np.zeros(0, bool), np.zeros(0)).ece)
