"""Certainty is 0, ignorance is 1, and the order of the classes does not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.labels import Labels
from segx.masks.uncertainty import entropy

_THREE = Labels("multiclass", ("background", "a", "b"))
_LAYERS = Labels("multilabel", ("a", "b"))


@pytest.mark.parametrize(
    ("shares", "expected"),
    [((1, 0, 0), 0), ((1 / 3, 1 / 3, 1 / 3), 1), ((0.5, 0.5, 0), 0.631)],
)
def test_of_exclusive_classes(shares: tuple[float, ...], expected: float) -> None:
    values = np.array(shares, np.float32).reshape(3, 1, 1)
    assert entropy(values, _THREE)[0, 0] == pytest.approx(expected, abs=1e-3)
    assert entropy(values[::-1], _THREE)[0, 0] == pytest.approx(expected, abs=1e-3)


@given(st.floats(0, 1), st.floats(0, 1))
def test_of_layers_the_least_certain_counts(first: float, second: float) -> None:
    values = np.array([first, second], np.float32).reshape(2, 1, 1)
    alone = [entropy(values[[i, i]], _LAYERS)[0, 0] for i in (0, 1)]
    assert entropy(values, _LAYERS)[0, 0] == pytest.approx(max(alone), abs=1e-6)
    assert 0 <= max(alone) <= 1
