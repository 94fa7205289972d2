"""Choices for training: rarer classes weigh more, larger sets learn longer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.training.proposal import choose_class_weights, choose_steps

SHARES = st.lists(st.floats(1e-6, 1), min_size=2, max_size=6)


@given(shares=SHARES, power=st.sampled_from([0.5, 1.0]))
def test_the_rarer_class_never_weighs_less(shares: list[float], power: float) -> None:
    fractions = {str(number): share for number, share in enumerate(shares)}
    weights = choose_class_weights(fractions, power=power)
    pairs = sorted(zip(shares, weights, strict=True))
    falling = [weight for _, weight in pairs]
    assert falling == sorted(falling, reverse=True)
    assert sum(weights) / len(weights) == pytest.approx(1, abs=0.01)
    assert max(weights) <= 11 * min(weights)


def test_a_class_that_is_not_there_is_not_weighed_up() -> None:
    weights = choose_class_weights({"a": 0.9, "b": 0.1, "c": 0.0})
    assert weights[2] == weights[0] < weights[1]


@given(cases=st.integers(1, 10**6), more=st.integers(0, 10**6))
def test_larger_sets_learn_longer_within_bounds(cases: int, more: int) -> None:
    assert 1000 <= choose_steps(cases) <= choose_steps(cases + more) <= 20_000
