"""What is wrong with a training that runs: said once, or a reason to stop."""

import itertools
import logging
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segx.boxes import Detections
from segx.data.dataset import Batch
from segx.errors import TrainingError
from segx.labels import Labels
from segx.training.run import RunFolder

__all__ = [
    "Collapse",
    "FiniteLoss",
    "UnseenClasses",
    "is_finite",
    "warn_of_repeats",
]

logger = logging.getLogger(__name__)


def warn_of_repeats(cases: int, *, batch: int) -> None:
    """Say that a batch holds cases twice, because there are fewer than it has places.

    Args:
        cases: Number of training cases.
        batch: Examples of a step, those of all processes together.
    """
    if cases < batch:
        logger.warning(
            "A step learns from %d examples, but there are %d training cases: each "
            "batch holds some of them more than once. Lower --data.batch_size, or give "
            "more cases.",
            batch,
            cases,
        )


def is_finite(module: nn.Module) -> bool:
    """Whether all that a module has learnt are numbers, its statistics too."""
    learnt = itertools.chain(module.parameters(), module.buffers())
    checks = [torch.isfinite(item).all() for item in learnt]
    return bool(torch.stack(checks).all()) if checks else True


class FiniteLoss(pl.Callback):
    """Stops a training whose loss is no number; the checkpoints before it stay.

    Args:
        run: Where the checkpoints are.
        patience: Steps in a row that may fail.
    """

    def __init__(self, run: RunFolder, *, patience: int = 3) -> None:
        self.run = run
        self.patience = patience
        self._failed = 0

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the steps in a row without a finite loss, in any process.

        Raises:
            TrainingError: If there are too many.
        """
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        failed = not bool(torch.isfinite(loss))
        any_failed = trainer.strategy.reduce_boolean_decision(failed, all=False)
        self._failed = self._failed + 1 if any_failed else 0
        if self._failed >= self.patience:
            raise self._error(
                trainer, f"The loss was not finite in {self._failed} steps in a row"
            )

    def on_validation_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Look at the weights; checkpoints, which are to hold numbers, are kept next.

        Raises:
            TrainingError: If a weight is none.
        """
        self._refuse_broken(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the weights of an end without a validation, too.

        Raises:
            TrainingError: If a weight is none.
        """
        self._refuse_broken(trainer, pl_module)

    def _refuse_broken(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not is_finite(module):
            raise self._error(trainer, "The weights are not finite any more")

    def _error(self, trainer: pl.Trainer, what: str) -> TrainingError:
        kept = [path for path in (self.run.best, self.run.last) if path.is_file()]
        good = " and ".join(str(path) for path in kept)
        kept_words = (
            f"The last good weights are kept: {good}."
            if kept
            else ("No validation came before, so that no weights are kept.")
        )
        return TrainingError(
            f"{what}, up to step {trainer.global_step}. {kept_words} Lower "
            "--training.optimizer.lr, clip more (--trainer.gradient_clip_val), or look "
            "at the images with segx check."
        )


class UnseenClasses(pl.Callback):
    """Names the classes that no example of the first epoch held.

    Args:
        names: What is told apart, background included.
        labels: What mask values mean; None for classification and for boxes.
        expected: Names that training cases do hold; of others it is known already.
    """

    def __init__(
        self,
        names: Sequence[str],
        labels: Labels | None,
        *,
        expected: Collection[str],
    ) -> None:
        self.names = tuple(names)
        self.labels = labels
        self.expected = expected
        self._seen: Tensor | None = None
        self._looks = False
        self._is_done = False

    def on_train_epoch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Look from the start of an epoch: half of one, gone on with, tells nothing."""
        self._looks = not self._is_done

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Note the classes of a batch, without waiting for the device."""
        if not self._looks:
            return
        seen = _classes_in(batch, len(self.names), self.labels)
        self._seen = seen if self._seen is None else self._seen | seen

    def on_train_epoch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Say it once, after the first epoch."""
        if not self._looks or self._seen is None:
            return
        self._looks, self._is_done = False, True
        seen = trainer.strategy.reduce(self._seen.float(), reduce_op="sum")
        unseen = [
            name
            for name, count in zip(self.names, seen.tolist(), strict=True)
            if not count and name in self.expected
        ]
        if unseen:
            logger.warning(
                "No example of the first epoch held %s, which training cases do hold. "
                "Raise --data.foreground_share or --data.steps_per_epoch.",
                " or ".join(unseen),
            )


class Collapse(pl.Callback):
    """Says when validations find background only, though there is something to find.

    Args:
        patience: Validations in a row that may.
    """

    def __init__(self, patience: int = 3) -> None:
        self.patience = patience
        self._empty = 0
        self._found = False
        self._missed = False
        self._is_said = False

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Look at a mask, or at boxes, just counted."""
        if isinstance(outputs, dict):
            self._found |= _holds_any(outputs["predicted"])
            self._missed |= _holds_any(outputs["truth"])

    def on_validation_epoch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Count the validations in a row, and say it once."""
        decide = trainer.strategy.reduce_boolean_decision
        found = decide(self._found, all=False)
        missed = decide(self._missed, all=False)
        self._found = self._missed = False
        self._empty = self._empty + 1 if missed and not found else 0
        if self._empty == self.patience and not self._is_said:
            self._is_said = True
            logger.warning(
                "%d validations in a row found nothing but background. It may only be "
                "early; else raise --data.foreground_share, lower "
                "--training.optimizer.lr, or look at the masks with segx check.",
                self._empty,
            )


def _holds_any(found: NDArray[np.uint8] | Detections) -> bool:
    """Whether there is any foreground, or any object."""
    return len(found) > 0 if isinstance(found, Detections) else bool(found.any())


def _classes_in(batch: Batch, count: int, labels: Labels | None) -> Tensor:
    """Which classes a batch holds, shape (classes,), bool."""
    if batch.objects is not None:
        ids = torch.cat([item.classes for item in batch.objects])
        return torch.bincount(ids - 1, minlength=count) > 0
    values = batch.label if labels is None else batch.mask
    if values is None:
        return torch.zeros(count, dtype=torch.bool)
    if values.ndim == (2 if labels is None else 4):  # 0/1 planes, one a class
        return (values == 1).transpose(0, 1).flatten(1).any(dim=1)
    inside = values.flatten().clamp(0, count)  # an ignored one becomes one too many
    return torch.bincount(inside, minlength=count + 1)[:count] > 0
