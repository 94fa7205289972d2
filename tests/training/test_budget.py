"""A budget buys whole steps, leaves room for validation, and is planned once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.errors import ConfigError
from segx.training.budget import (
    parse_budget,
    plan_steps,
)


@given(
    remaining=st.floats(5, 1e5),
    step=st.floats(0.01, 10),
    validation=st.floats(0, 1e4),
    done=st.integers(0, 50),
)
def test_a_plan_ends_in_time_with_a_validation_at_its_last_step(
    remaining: float, step: float, validation: float, done: int
) -> None:
    plan = plan_steps(remaining, step_s=step, validation_s=validation, done=done)
    assert plan.steps % plan.interval == 0
    assert 0 < plan.validation_share <= 1
    passes = plan.steps // plan.interval
    cost = (plan.steps - done) * step + passes * plan.validation_share * validation
    # One step is always made, however small the budget.
    assert cost <= max(remaining * 1.001, step * (passes + 1) + 0.2 * remaining)
    assert plan.steps > 0


@given(seconds=st.integers(1, 10_000))
def test_a_longer_budget_buys_no_fewer_steps(seconds: int) -> None:
    def steps(remaining: float) -> int:
        return plan_steps(remaining, step_s=1.0, validation_s=0.0, done=10).steps

    assert steps(2 * seconds) >= steps(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400)]
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "nanm", "infh", "5 days"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--budget"):
        parse_budget(text)
