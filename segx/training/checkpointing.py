"""Checkpoints that appear whole, with a digest, and are read without running code."""

import logging
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import CheckpointIO
from torch import Tensor

from segx.artifact import read_checkpoint
from segx.atomic import (
    digest_file,
    flush,
    replacing,
    sweep,
    verify_digest,
    write_digest,
    write_text,
)
from segx.errors import ArtifactError, TrainingError
from segx.training.run import RunFolder

__all__ = ["AtomicCheckpoints", "BestCheckpoint", "last_valid"]

logger = logging.getLogger(__name__)


class AtomicCheckpoints(CheckpointIO):
    """Lightning's reader and writer of checkpoint files, made safe.

    A checkpoint takes its name only when it is whole and on the disk; its SHA-256
    stands beside it and is compared before it is read. The one that a training goes on
    from makes way to a second place: whenever the process dies, at least one of the two
    is whole and counts as such.

    Args:
        run: Where `last` makes way to `previous`.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._is_own = False  # whether the last one was written here

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint and its digest, or leave the older ones as they are.

        What a process that was killed left half written is removed.

        Raises:
            TrainingError: If it can't be written, as on a full disk.
        """
        target = Path(path)
        try:
            sweep(target)
            with replacing(target) as temporary:
                with temporary.open("wb") as file:
                    torch.save(checkpoint, file)
                flush(temporary)  # an older one makes way only to one that is there
                if target == self._run.last and (self._is_own or _is_whole(target)):
                    _move(target, self._run.previous)
                # Without a digest a file is taken as it is, with another's it is not.
                digest_file(target).unlink(missing_ok=True)
            write_digest(target)
            self._is_own |= target == self._run.last
        except (OSError, RuntimeError) as error:
            raise TrainingError(
                f"{target} can't be written ({_reason(error)}); the checkpoints before "
                "it are as they were. Make room, and go on: segx fit "
                f"{self._run.arguments} --ckpt_path last"
            ) from error

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = None,
        weights_only: bool | None = None,  # noqa: FBT001 - as in Lightning
    ) -> dict[str, Any]:
        """Read a checkpoint of tensors and plain values.

        Raises:
            ArtifactError: If it is damaged or holds anything else.
        """
        verify_digest(Path(path))
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint and its digest."""
        target = Path(path)
        target.unlink(missing_ok=True)
        digest_file(target).unlink(missing_ok=True)


class BestCheckpoint(ModelCheckpoint):
    """The weights of the best validation; one without a number is never the best.

    Args:
        run: Where they go.
        monitor: Name of the metric, of which more is better.
    """

    def __init__(self, run: RunFolder, *, monitor: str) -> None:
        super().__init__(
            run.checkpoints,
            filename=run.best.stem,
            monitor=monitor,
            mode="max",
            save_weights_only=True,
            enable_version_counter=False,
            # Before LastCheckpoint, which keeps this best score with its state.
            save_on_train_epoch_end=False,
        )
        self._file = run.best.name

    @property
    def state_key(self) -> str:
        """As Lightning's own class: runs of earlier versions go on with their best."""
        return super().state_key.replace(type(self).__qualname__, "ModelCheckpoint")

    def state_dict(self) -> dict[str, Any]:
        """The best score; where its weights are is known."""
        return {"best_model_score": self.best_model_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best score, also where the run folder was moved meanwhile."""
        score = state_dict["best_model_score"]
        if score is not None:
            path = str(Path(str(self.dirpath), self._file))
            self.best_k_models = {path: score}
            self.best_model_path = self.kth_best_model_path = path
            self.best_model_score = self.kth_value = score

    def check_monitor_top_k(
        self, trainer: Trainer, current: Tensor | None = None
    ) -> bool:
        """Whether a validation is the best one so far."""
        if current is None or not bool(torch.isfinite(current)):
            return False
        return super().check_monitor_top_k(trainer, current)


def last_valid(run: RunFolder) -> tuple[Path, dict[str, Any]]:
    """The checkpoint that a training goes on from, and what it holds.

    A damaged one is passed over with a warning, for the one before it.

    Raises:
        TrainingError: If there is none, or none that is whole.
    """
    faults = []
    for path in (run.last, run.previous):
        if not path.is_file():
            continue
        try:
            verify_digest(path)
            content = read_checkpoint(path)
        except ArtifactError as error:
            faults.append(str(error))
            continue
        for fault in faults:
            logger.warning("%s The run goes on from %s instead.", fault, path.name)
        return path, content
    if faults:
        raise TrainingError(
            f"No checkpoint of {run.path} can be gone on from. {' '.join(faults)}"
        )
    raise TrainingError(
        f"There is nothing to resume in {run.path}: it has no checkpoints/last.ckpt. "
        "Leave --ckpt_path out to start afresh."
    )


def _is_whole(path: Path) -> bool:
    """Whether a checkpoint is there and as it was written."""
    if not path.is_file():
        return False
    try:
        verify_digest(path)
    except ArtifactError:
        return False
    return True


def _reason(error: BaseException) -> str:
    """What the system said: torch complains of its file before that comes out."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__context__
    return str(error).splitlines()[0]


def _move(last: Path, previous: Path) -> None:
    """Give a checkpoint and its digest the name of the one before.

    In this order, for the process may die after each line.
    """
    digest_file(previous).unlink(missing_ok=True)
    if last.is_file():
        last.replace(previous)
        flush(last.parent)
    if digest_file(last).is_file():
        text = digest_file(last).read_text(encoding="utf-8")
        write_text(digest_file(previous), text.replace(last.name, previous.name))
