"""A budget buys whole steps, leaves room for validation, and is planned once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.errors import ConfigError
from segx.training.budget import (
    Budget,
    BudgetPlanner,
    Plan,
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


@given(st.integers(0, 200), st.floats(0.1, 500), st.floats(0, 400))
def test_a_plan_goes_beyond_the_steps_that_are_made(
    done: int, remaining: float, validation: float
) -> None:
    plan = plan_steps(remaining, step_s=1.0, validation_s=validation, done=done)
    assert plan.steps > done
    assert plan.steps % plan.interval == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1.5h", 5400)]
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "nanm", "infh", "5 days"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--budget"):
        parse_budget(text)


class _Machine:
    """A clock that each step moves on, and the trainer that counts the steps."""

    def __init__(self, seconds: list[float], *, validation_steps: float = 0.0) -> None:
        self.seconds = iter(seconds)
        self.validation_steps = validation_steps
        self.now = 0.0
        self.global_step = 0
        self.world_size = 1
        self.plans: list[Plan] = []

    def train(self, budget_s: float) -> float:
        """Make steps until the plan says that it is over; the seconds that it took."""
        planner = BudgetPlanner(
            Budget(budget_s),
            started=0.0,
            warmup_steps=10,
            validation_steps=self.validation_steps,
            on_plan=lambda _, plan: self.plans.append(plan),
            clock=lambda: self.now,
        )
        while not self.plans or self.global_step < self.plans[-1].steps:
            step_s = next(self.seconds)
            self.now += step_s
            self.global_step += 1
            planner.on_train_batch_end(self, None, None, None, 0)  # type: ignore[arg-type]
            if self.plans and self.global_step % self.plans[-1].interval == 0:
                share = self.plans[-1].validation_share
                self.now += share * self.validation_steps * step_s
        return self.now


def test_a_steady_machine_is_planned_for_once() -> None:
    machine = _Machine([0.7] * 1000)
    assert 285 <= machine.train(300) <= 300
    assert len(machine.plans) == 1


@pytest.mark.parametrize("validation_steps", [1.0, 20.0, 80.0, 400.0])
def test_a_validation_that_is_to_come_is_no_spare_time(validation_steps: float) -> None:
    machine = _Machine([1.0] * 2000, validation_steps=validation_steps)
    assert 900 <= machine.train(1000) <= 1000
    assert len(machine.plans) == 1


def test_a_machine_that_becomes_slow_ends_on_time() -> None:
    machine = _Machine([0.7] * 60 + [2.1] * 1000)
    assert 240 <= machine.train(300) <= 330


def test_a_machine_that_was_slow_for_a_while_uses_its_time() -> None:
    machine = _Machine([0.7] * 40 + [2.1] * 30 + [0.7] * 1000)
    assert 255 <= machine.train(300) <= 315
    assert len(machine.plans) >= 3


def planner_with(budget: Budget, plans: list[Plan]) -> BudgetPlanner:
    return BudgetPlanner(
        budget,
        started=2.0,
        warmup_steps=10,
        validation_steps=0.0,
        on_plan=lambda _, plan: plans.append(plan),
        clock=lambda: 7.0,
    )


@pytest.mark.parametrize("plan", [None, Plan(90, 30, 0.5)])
def test_budget_and_plan_survive_a_checkpoint(plan: Plan | None) -> None:
    planner = planner_with(Budget(300.0, used_s=1.0, plan=plan), [])
    checkpoint = {"callbacks": {planner.state_key: planner.state_dict()}}
    assert Budget.in_checkpoint(checkpoint) == Budget(300.0, used_s=6.0, plan=plan)
    assert Budget.in_checkpoint({"callbacks": {}}) is None


def test_a_run_that_goes_on_keeps_to_its_plan_on_any_machine() -> None:
    plans: list[Plan] = []
    planner = planner_with(Budget(300.0, plan=Plan(90, 30, 0.5)), plans)
    machine: Any = _Machine([])
    machine.max_steps, machine.val_check_batch = 90, 60
    machine.accumulate_grad_batches = 2
    planner.on_train_start(machine, None)  # type: ignore[arg-type]
    for step in range(60):
        machine.global_step = step
        planner.on_train_batch_end(machine, None, None, None, 0)  # type: ignore[arg-type]
    assert plans == [Plan(90, 30, 0.5)]


def test_processes_share_the_validation() -> None:
    costs = []
    for world in (1, 4):
        planner = planner_with(Budget(300.0), [])
        planner.validation_steps = 8.0
        machine: Any = _Machine([])
        machine.world_size = world
        planner.on_train_start(machine, None)  # type: ignore[arg-type]
        costs.append(planner.validation_steps)
    assert costs == [8.0, 2.0]
