"""A time budget turned into steps: measured on the first ones, planned once."""

import itertools
import logging
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

import pytorch_lightning as pl

from segx.config import FitConfig
from segx.errors import ConfigError

__all__ = [
    "Budget",
    "BudgetPlanner",
    "Plan",
    "open_ended",
    "parse_budget",
    "plan_steps",
    "planned",
]

logger = logging.getLogger(__name__)

# Shares of the budget; both are small against what a longer validation would tell.
VALIDATION_SHARE = 0.1
MARGIN_SHARE = 0.02
MOST_PASSES = 10
LEAST_INTERVAL = 20
# A plan is changed if the last steps say that it ends so many times too late, or that
# it would leave so much of the time unused; the latter not close to its end, where the
# learning rate has fallen.
RECENT = 10
LATE = 1.15
EARLY = 0.75
LENGTHENED_UNTIL = 0.75
# Fewer steps than so many times the warm-up are said to be too few.
FEWEST_WARM_UPS = 4
_UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Plan:
    """What a budget buys.

    Args:
        steps: Optimizer steps of the whole training.
        interval: Steps between two validations; divides `steps`.
        validation_share: Share of the validation cases that fits, in (0, 1].
    """

    steps: int
    interval: int
    validation_share: float

    def cost_of_rest(self, done: int, validation_steps: float) -> float:
        """What is to come after so many steps, in units of one of them.

        Args:
            done: Steps made already.
            validation_steps: Cost of a pass over all validation cases, likewise.
        """
        passes = self.steps // self.interval - done // self.interval
        return self.steps - done + passes * self.validation_share * validation_steps


@dataclass(frozen=True)
class Budget:
    """Time for everything, and what has been made of it so far.

    Args:
        seconds: From the start of the command, pauses between its parts left out.
        used_s: Seconds used before now.
        plan: What was planned before now; a run that goes on keeps to it.
    """

    seconds: float
    used_s: float = 0.0
    plan: Plan | None = None

    @classmethod
    def in_checkpoint(cls, checkpoint: dict[str, Any]) -> Self | None:
        """The budget of the training that wrote a checkpoint, if it had one."""
        state = checkpoint.get("callbacks", {}).get(BudgetPlanner.__qualname__)
        if not state:
            return None
        plan = state["plan"]
        return cls(state["seconds"], state["used_s"], Plan(**plan) if plan else None)


def parse_budget(text: str) -> float:
    """Seconds meant by ``90s``, ``5m`` or ``1.5h``.

    Raises:
        ConfigError: If it is no positive time.

    Examples:
        >>> parse_budget("1.5h")
        5400.0
    """
    number, unit = text[:-1], text[-1:]
    try:
        seconds = float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"--budget: {text!r} is no time. Write 90s, 5m or 1.5h.")
    return seconds


def plan_steps(
    remaining_s: float, *, step_s: float, validation_s: float, done: int
) -> Plan:
    """Spread what is left of a budget over steps and validations.

    Args:
        remaining_s: Seconds left.
        step_s: Seconds a training step takes.
        validation_s: Seconds that one pass over all validation cases takes.
        done: Steps made already.

    Examples:
        >>> plan_steps(300, step_s=1.0, validation_s=10, done=10)
        Plan(steps=273, interval=91, validation_share=1.0)
    """
    remaining_s = max(remaining_s, step_s)  # one step is always made
    allowance_s = VALIDATION_SHARE * remaining_s
    share = min(1.0, allowance_s / validation_s) if validation_s > 0 else 1.0
    pass_s = validation_s * share
    # The small term keeps a quotient that is whole on paper from falling below it.
    affordable = allowance_s / pass_s + 1e-9 if pass_s > 0 else MOST_PASSES
    passes = int(max(1, min(MOST_PASSES, affordable)))
    usable_s = remaining_s * (1 - MARGIN_SHARE) - passes * pass_s
    steps = max(done + 1, done + int(usable_s / step_s))
    interval = max(1, steps // max(1, min(passes, steps // LEAST_INTERVAL)))
    whole = interval * (steps // interval)
    return Plan(whole, interval, share) if whole > done else Plan(steps, steps, share)


def open_ended(config: FitConfig) -> FitConfig:
    """The config without a length of its own: the budget will give it one."""
    endless = {
        "max_epochs": -1,
        "max_steps": -1,
        "val_check_interval": sys.maxsize,
        "check_val_every_n_epoch": None,
    }
    unstopped = config.training.model_copy(update={"early_stopping": None})
    return config.model_copy(
        update={"trainer": {**config.trainer, **endless}, "training": unstopped}
    )


def planned(config: FitConfig, plan: Plan) -> FitConfig:
    """The config with the length that was found: it repeats the same schedule."""
    batches = plan.interval * config.trainer.get("accumulate_grad_batches", 1)
    found = {"max_steps": plan.steps, "val_check_interval": batches}
    return config.model_copy(update={"trainer": {**config.trainer, **found}})


class BudgetPlanner(pl.Callback):
    """Measures the first steps, then fixes the length of the training.

    The first step is left out: it builds what later steps reuse. Planning happens
    while the learning rate still warms up, which takes a fixed number of steps; so a
    later run with the step count found repeats the same schedule. Only if the machine
    becomes much slower is the plan shortened, and lengthened if it then becomes much
    faster again: a schedule that ends on time is worth more than one that is cut off,
    or that leaves time unused.

    Several processes keep to the plan of the first.

    Args:
        budget: The time; with a plan, as of a run that goes on, nothing is measured.
        warmup_steps: Steps of the warm-up; none is planned beyond them.
        validation_steps: Cost of a pass over the validation cases, in units of one
            training step.
        on_plan: Called with each plan; it sets the trainer's length.
        clock: Tells the time in seconds.
        started: When the command began, by that clock; None: now.
    """

    def __init__(
        self,
        budget: Budget,
        *,
        warmup_steps: int,
        validation_steps: float,
        on_plan: Callable[[pl.Trainer, Plan], None],
        clock: Callable[[], float] = time.monotonic,
        started: float | None = None,
    ) -> None:
        self.budget_s = budget.seconds
        self.started = (clock() if started is None else started) - budget.used_s
        self.warmup_steps = warmup_steps
        self.validation_steps = validation_steps
        self.on_plan = on_plan
        self.plan = budget.plan
        self._is_fixed = budget.plan is not None
        self._clock = clock
        self._ends: list[float] = []
        self._steps = 0
        self._step_s = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Plain values, for the checkpoint."""
        return asdict(Budget(self.budget_s, self._clock() - self.started, self.plan))

    def on_train_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Keep to the plan that a run was stopped with; its config knows the steps."""
        self._steps = trainer.global_step
        self.validation_steps /= trainer.world_size  # they share the cases
        if self.plan is not None:
            steps, batches = trainer.max_steps, int(trainer.val_check_batch or 1)
            interval = max(1, batches // trainer.accumulate_grad_batches)
            self.on_plan(trainer, Plan(steps, interval, self.plan.validation_share))

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note when the step ended; plan, or change the plan."""
        if self._is_fixed or trainer.global_step == self._steps:
            return  # gradients are being gathered: no step has ended
        self._steps = trainer.global_step
        self._ends.append(self._clock())
        if len(self._ends) < (3 if self.plan is None else RECENT + 1):
            return
        before, step_s = self.plan, self._step_s
        found = self._find_plan(trainer.global_step)
        if trainer.world_size > 1:
            found = trainer.strategy.broadcast(found)
        if found is not None:
            self.plan = found
            self._say(found, before, step_s)
            self.on_plan(trainer, found)
        if self.plan is not None:
            self._ends = self._ends[-1:]

    def _find_plan(self, done: int) -> Plan | None:
        """The first plan when enough is measured, or another where it does not hold."""
        gaps = [end - start for start, end in itertools.pairwise(self._ends)]
        # The mean of the middle: noise on a shared machine is one-sided, and the step
        # after a validation seems long.
        step_s = statistics.mean(sorted(gaps)[: max(1, (3 * len(gaps) + 3) // 4)])
        left_s = self.budget_s - (self._ends[-1] - self.started)
        if self.plan is None:
            enough = done >= max(3, self.warmup_steps)
            wanted = enough or left_s < 0.9 * self.budget_s
        else:
            rest_s = self.plan.cost_of_rest(done, self.validation_steps) * step_s
            is_late = rest_s > LATE * max(left_s, step_s)
            is_early = rest_s < EARLY * left_s
            wanted = is_late or (is_early and done < LENGTHENED_UNTIL * self.plan.steps)
        if not wanted:
            return None
        self._step_s = step_s
        return plan_steps(
            left_s,
            step_s=step_s,
            validation_s=self.validation_steps * step_s,
            done=done,
        )

    def _say(self, plan: Plan, before: Plan | None, step_before_s: float) -> None:
        """Log a plan that was just made, or what it changes."""
        if before is None:
            logger.info(
                "%.2f s a step: %d steps fit in %.0f s, validated every %d",
                self._step_s,
                plan.steps,
                self.budget_s,
                plan.interval,
            )
        else:
            logger.info(
                "A step takes %.2f s now, not %.2f: %d steps in all instead of %d, "
                "validated every %d",
                self._step_s,
                step_before_s,
                plan.steps,
                before.steps,
                plan.interval,
            )
        if plan.validation_share < (before.validation_share if before else 1):
            logger.info(
                "All validation cases would take too long: %.0f %% of them are looked "
                "at, drawn by the seed",
                100 * plan.validation_share,
            )
        if plan.steps < FEWEST_WARM_UPS * self.warmup_steps:
            logger.warning(
                "%d steps are hardly a training: the first %d only warm up. Give it "
                "more time, or take a smaller network.",
                plan.steps,
                self.warmup_steps,
            )
