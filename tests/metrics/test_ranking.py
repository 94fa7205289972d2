"""ROC curves against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, roc_curve

from segx.metrics import auroc, roc


@given(st.integers(1, 60), st.integers(2, 20), st.integers(0, 2**32))
def test_the_curve_is_scikit_learns(n: int, levels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    real, scored = random.random(n) < 0.4, random.integers(0, levels, n) / levels
    curve = roc(real, scored)
    if real.all() or not real.any():
        assert curve is None
        return
    assert curve is not None
    # Ours are some of theirs, which keep points on straight lines; the area is equal.
    theirs = np.stack(roc_curve(real, scored, drop_intermediate=False), axis=1)
    assert math.isinf(curve.threshold[0])
    for corner in zip(*curve, strict=True):
        assert np.isclose(theirs, corner).all(axis=1).any()
    area = auc(curve.false_positive_rate, curve.sensitivity)
    assert area == pytest.approx(auroc(real, scored))
    assert len(curve.threshold) <= len(theirs)


@given(st.integers(2, 60), st.integers(0, 2**32))
def test_a_threshold_names_the_cases_that_the_curve_says(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    real, scored = np.arange(n) % 2 == 0, random.random(n).round(1)
    curve = roc(real, scored)
    assert curve is not None
    for rate, sensitivity, threshold in zip(*curve, strict=True):
        named = scored >= threshold
        assert named[real].mean() == pytest.approx(sensitivity)
        assert named[~real].mean() == pytest.approx(rate)
