"""A training that stops at any time and goes on as if it never had."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from types import FrameType
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint

from segx.data.datamodule import SegxDataModule
from segx.errors import TrainingError
from segx.training.guards import is_finite
from segx.training.position import Position
from segx.training.run import RunFolder

__all__ = ["LastCheckpoint", "SeededSteps", "StopRequest"]

logger = logging.getLogger(__name__)

# Epochs that end without a validation are kept no more often than this.
LEAST_SECONDS = 60


class StopRequest:
    """Notes SIGTERM and Ctrl-C, so that the batch in hand is finished first.

    The second one stops at once.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def listen(self) -> None:
        """Take the place of the handlers that are set."""
        if threading.current_thread() is not threading.main_thread():
            return  # Python hands signals to the main thread only
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._note)

    def ignore(self) -> None:
        """Bring the handlers back that were set before."""
        while self._before:
            signal.signal(*self._before.popitem())

    def obey(self, number: int) -> None:
        """Leave as the signal asks.

        Raises:
            KeyboardInterrupt: After Ctrl-C.
            SystemExit: With 143 after SIGTERM.
        """
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:
            self.obey(number)
        self.number = number


class SeededSteps(pl.Callback):
    """Makes what is random in a step follow from the seed and the step's number.

    So dropout is the same whether or not the training was stopped before, and no
    generator's state needs to be kept.

    Args:
        seed: Of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Set torch's generators."""
        of_step = (self.seed, trainer.current_epoch, batch_idx, trainer.global_rank)
        state = np.random.SeedSequence(of_step).generate_state(1)
        torch.manual_seed(int(state[0]))
        # What loggers call the step; Lightning loses count when a run goes on.
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step  # noqa: SLF001


class LastCheckpoint(Checkpoint):
    """Keeps the last two states of a training, and leaves when it is asked to.

    A state is kept after each validation, at the end of an epoch that had none (if it
    is the last, or the state before is a minute old) or of a training, and when the
    process is told to stop: the batch is finished, the state is kept, and the run goes
    on later with the next batch. While gradients are gathered for a step, that waits
    until it is made.

    Args:
        run: Where the checkpoints go.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, run: RunFolder, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.run = run
        self.stop = StopRequest()
        self._clock = clock
        self._kept_at = clock()
        self._kept_step = 0
        self._position: Position | None = None
        self._is_owed = False

    def on_train_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Listen for signals; Lightning's own handlers would leave at once."""
        self._kept_step = trainer.global_step
        self.stop.listen()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Leave if told to, unless gradients are still being gathered for a step.

        A state that could not be kept for that reason is kept now.
        """
        loop: Any = trainer.fit_loop
        if loop._should_accumulate():  # noqa: SLF001
            return
        leaves, ends = self._must_leave(trainer), trainer.should_stop
        if leaves or ends or self._is_owed:
            due = loop.epoch_loop._should_check_val_fx(loop._data_fetcher)  # noqa: SLF001
            position = Position.of(trainer, validates=due)
            if leaves:
                self._leave(trainer, position)
            if self._is_owed or not due:
                self._keep(trainer, position)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Leave if told to; the validation is done when the run goes on."""
        if self._must_leave(trainer):
            self._leave(trainer, Position.of(trainer, validates=True))

    def on_validation_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Keep the state after a validation, or once the gradients in hand are used."""
        if trainer.sanity_checking:
            return
        self._is_owed = trainer.fit_loop._should_accumulate()  # noqa: SLF001
        if not self._is_owed:
            self._keep(trainer, Position.of(trainer))

    def on_train_epoch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Keep the state after an epoch that ended without a validation."""
        is_old = self._clock() - self._kept_at >= LEAST_SECONDS
        is_old |= trainer.current_epoch + 1 == trainer.max_epochs  # the last of all
        if self._kept_step < trainer.global_step and trainer.strategy.broadcast(is_old):
            self._keep(trainer, Position.after_epoch(trainer))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Hear no more signals."""
        self.stop.ignore()

    def on_exception(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        exception: BaseException,
    ) -> None:
        """Hear no more signals."""
        self.stop.ignore()

    def on_save_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Write down where the training stands."""
        if self._position is not None:
            checkpoint["position"] = asdict(self._position)

    def on_load_checkpoint(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Put Lightning and the data where the training stood.

        Raises:
            TrainingError: If other processes shared an epoch that has begun.
        """
        position = Position.in_checkpoint(checkpoint)
        if position.batch and position.world != trainer.world_size:
            raise TrainingError(
                f"The run stopped within an epoch that {position.world} processes "
                f"shared, and can't go on within it in {trainer.world_size}. Start as "
                "many again."
            )
        position.set_counters(checkpoint)
        data: Any = getattr(trainer, "datamodule", None)
        if isinstance(data, SegxDataModule):
            data.start_at(position.epoch, position.batch)

    def _must_leave(self, trainer: pl.Trainer) -> bool:
        """Whether any process was told to stop a training that is not at its end."""
        ends = 0 < trainer.max_steps <= trainer.global_step
        told = self.stop.number is not None and not ends
        return trainer.strategy.reduce_boolean_decision(told, all=False)

    def _leave(self, trainer: pl.Trainer, position: Position) -> None:
        self._keep(trainer, position)
        if trainer.training:
            # Lightning logs a step after its callbacks, and would not come to it.
            trainer._logger_connector.update_train_step_metrics()  # noqa: SLF001
        logger.info(
            "Stopped after step %d. Go on: segx fit %s --ckpt_path last",
            trainer.global_step,
            self.run.arguments,
        )
        if trainer.is_global_zero:
            self.stop.obey(self.stop.number or signal.SIGTERM)
        # Another process is the one that is asked for its exit code.
        raise SystemExit(0)

    def _keep(self, trainer: pl.Trainer, position: Position) -> None:
        """Write the state down, if it holds numbers only."""
        good = is_finite(trainer.lightning_module)
        if not trainer.strategy.reduce_boolean_decision(good, all=True):
            return
        self._position = position
        trainer.save_checkpoint(self.run.last, weights_only=False)
        self._kept_at, self._kept_step = self._clock(), trainer.global_step
        self._is_owed = False
