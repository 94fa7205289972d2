"""Checkpoints that appear whole, with a digest, and are read without running code."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from segx.artifact import read_checkpoint
from segx.atomic import replacing, verify_digest, write_digest

__all__ = ["AtomicCheckpoints"]


class AtomicCheckpoints(CheckpointIO):
    """Lightning's reader and writer of checkpoint files, made safe.

    A checkpoint takes its name only when it is whole and on the disk; its SHA-256
    stands beside it and is compared before it is read.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint and its digest, or leave the older ones as they are."""
        target = Path(path)
        with replacing(target) as temporary:
            torch.save(checkpoint, temporary)
        write_digest(target)

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
        target.with_name(f"{target.name}.sha256").unlink(missing_ok=True)
