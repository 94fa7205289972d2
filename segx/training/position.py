"""Where a training stands, as plain numbers, and how Lightning is put there again."""

from dataclasses import dataclass
from typing import Any, Self

import pytorch_lightning as pl

__all__ = ["Position"]


@dataclass(frozen=True)
class Position:
    """The next thing that a training does.

    Lightning counts what is ready, started, processed and completed, and goes on in
    another way for each difference between these. Here there are three ways: an epoch
    begins, a batch comes next, or a validation does.

    Args:
        epoch: Number of the epoch, from 0.
        batch: Number of its next batch, from 0.
        validates: Whether a validation comes first.
        world: Number of processes that train together.
    """

    epoch: int
    batch: int
    validates: bool = False
    world: int = 1

    @classmethod
    def of(cls, trainer: pl.Trainer, *, validates: bool = False) -> Self:
        """Where a trainer stands after a batch, or after the validation that followed.

        Args:
            trainer: It is within an epoch.
            validates: Whether the validation that is due has not been done.
        """
        progress: Any = trainer.fit_loop.epoch_loop.batch_progress
        epoch, batch = _epochs_done(trainer), progress.current.processed
        if progress.is_last_batch and not validates:
            epoch, batch = epoch + 1, 0
        return cls(epoch, batch, validates, trainer.world_size)

    @classmethod
    def after_epoch(cls, trainer: pl.Trainer) -> Self:
        """Where a trainer stands when an epoch has ended."""
        return cls(_epochs_done(trainer), 0, world=trainer.world_size)

    @classmethod
    def in_checkpoint(cls, checkpoint: dict[str, Any]) -> Self:
        """Where the training stood that wrote a checkpoint."""
        if "position" in checkpoint:
            return cls(**checkpoint["position"])
        # Earlier versions had Lightning's counters only, after a validation.
        loop = checkpoint["loops"]["fit_loop"]
        epoch = loop["epoch_progress"]["current"]["processed"]
        progress = loop["epoch_loop.batch_progress"]
        if progress["is_last_batch"]:
            return cls(epoch + 1, 0)
        return cls(epoch, progress["current"]["processed"])

    def set_counters(self, checkpoint: dict[str, Any]) -> None:
        """Write this position into the counters that Lightning reads."""
        loop = checkpoint["loops"]["fit_loop"]
        begun = self.epoch + (1 if self.batch else 0)
        progress = loop["epoch_loop.batch_progress"]
        loop["epoch_progress"] = _progress(begun, processed=self.epoch)
        loop["epoch_loop.batch_progress"] = {
            "total": _tracker(progress["total"]["processed"]),
            "current": _tracker(self.batch),
            "is_last_batch": self.validates and progress["is_last_batch"],
        }
        # A validation that was begun and not completed is done from its start.
        loop["epoch_loop.val_loop.batch_progress"] = {
            **_progress(int(self.validates), processed=0),
            "is_last_batch": False,
        }


def _epochs_done(trainer: pl.Trainer) -> int:
    progress: Any = trainer.fit_loop.epoch_progress
    return int(progress.current.processed)


def _progress(ready: int, *, processed: int) -> dict[str, dict[str, int]]:
    return {
        "total": _tracker(ready, processed=processed),
        "current": _tracker(ready, processed=processed),
    }


def _tracker(ready: int, *, processed: int | None = None) -> dict[str, int]:
    done = ready if processed is None else processed
    return {"ready": ready, "started": ready, "processed": done, "completed": done}
