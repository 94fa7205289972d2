"""A plain Lightning script on an Xception U-Net: the peer of segx fit in speed.

smp's Unet on timm's legacy_xception with random weights and everything at Lightning's
defaults: float32, default memory format. Its crops and, unless it is told another, its
number of loader workers are those of segx. Written for `training.py`.
"""

import argparse
import time
from pathlib import Path

import pytorch_lightning as pl
import segmentation_models_pytorch as smp
import torch
from plain_data import endless_loader, read_set
from torch import Tensor
from torch.nn import functional

from segx.data.loading import count_workers
from segx.evaluation.records import write_json

__all__ = ["PlainTask", "StepTimes", "main"]


class PlainTask(pl.LightningModule):
    """An Xception U-Net, cross-entropy and Adam."""

    def __init__(self, channels: int, logits: int) -> None:
        super().__init__()
        self.model = smp.Unet(
            "tu-legacy_xception",
            encoder_weights=None,
            in_channels=channels,
            classes=logits,
        )

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch of crops."""
        images, masks = batch
        logits = self.model(images)
        if logits.shape[1] == 1:
            return functional.binary_cross_entropy_with_logits(
                logits[:, 0], masks.to(logits.dtype)
            )
        return functional.cross_entropy(logits, masks)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam at its usual rate."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class StepTimes(pl.Callback):
    """Seconds from the end of a step to the end of the next, loading included."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Note the time."""
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> list[float]:
        """One number a step, the first step left out."""
        return [
            after - before
            for before, after in zip(self.ends, self.ends[1:], strict=False)
        ]


def main() -> None:
    """Make the steps asked for and write their times to steps.json."""
    arguments = _parser().parse_args()
    pl.seed_everything(0)
    data = read_set(arguments.data)
    loader = endless_loader(
        data, side=arguments.crop, batch=arguments.batch, workers=arguments.workers
    )
    times = StepTimes()
    trainer = pl.Trainer(
        max_steps=arguments.steps,
        callbacks=[times],
        default_root_dir=arguments.out,
    )
    trainer.fit(PlainTask(data.channels, data.logits), loader)
    write_json(arguments.out / "steps.json", {"seconds": times.seconds})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--crop", type=int, default=256, help="side of a crop")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--workers", type=int, default=count_workers("auto"))
    return parser


if __name__ == "__main__":
    main()
