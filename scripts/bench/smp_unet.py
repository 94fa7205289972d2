"""A U-Net of smp, trained for a given time: the peer of segx fit, in three recipes.

All: resnet34 with random weights, batches of 8 random crops with flips, plain
cross-entropy. `plain` is what most people start with: 256x256 px, float32, default
memory format, Adam at 1e-3. `tuned` is what a practitioner makes of it: bfloat16,
channels_last, AdamW with a warm-up and a cosine over the time, an average of the
weights, values in -1 … 1. `tuned-192` has segx's size of crops, too. Each is tested on
whole images, padded to a multiple of 32. Written for `accuracy.py`.
"""

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from plain_data import PlainSet, endless_loader, read_set
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segx.data.loading import count_workers
from segx.evaluation.cases import CaseRow, case_rows, write_cases
from segx.evaluation.records import write_json
from segx.evaluation.summary import summarise
from segx.evaluation.summary_file import write_summary
from segx.metrics import count_overlap

__all__ = ["RECIPES", "Recipe", "main"]

WARM_UP = 0.05
"""Share of the time over which a tuned rate rises."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Args:
        optimizer: Class of the optimizer.
        lr: Its highest rate.
        is_scheduled: Whether the rate rises first and falls to 0 along a cosine.
        ema_decay: Decay of the average of the weights that is tested; None: none.
        is_fast: Whether bfloat16 and channels_last are used.
        mean_std: Subtracted from values in 0 … 1, which are then divided by it; None:
            they stay.
        crop: Side of a crop.
    """

    optimizer: type[torch.optim.Adam | torch.optim.AdamW]
    lr: float
    is_scheduled: bool = False
    ema_decay: float | None = None
    is_fast: bool = False
    mean_std: float | None = None
    crop: int = 256

    def rate(self, done: float) -> float:
        """The rate when a share `done` of the time is over."""
        if not self.is_scheduled:
            return self.lr
        if done < WARM_UP:
            return self.lr * max(done, 0.01 * WARM_UP) / WARM_UP
        return self.lr * 0.5 * (1 + math.cos(math.pi * min(1, done)))

    def as_input(self, pixels: Tensor) -> Tensor:
        """Images (B, C, rows, cols) in 0 … 1 as the network takes them."""
        if self.mean_std is not None:
            pixels = (pixels - self.mean_std) / self.mean_std
        if self.is_fast:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return pixels

    def logits(self, model: nn.Module, pixels: Tensor) -> Tensor:
        """What a network says of images (B, C, rows, cols) in 0 … 1."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_fast):
            found: Tensor = model(self.as_input(pixels))
        return found.float()


_TUNED = Recipe(
    torch.optim.AdamW,
    lr=2e-3,
    is_scheduled=True,
    ema_decay=0.95,
    is_fast=True,
    mean_std=0.5,
)

RECIPES = {
    "plain": Recipe(torch.optim.Adam, lr=1e-3),
    "tuned": _TUNED,
    "tuned-192": replace(_TUNED, crop=192),
}

_BATCH = 8


def main() -> None:
    """Train, test, and write cases.csv, summary.json and run.json."""
    started = time.monotonic()
    arguments = _parser().parse_args()
    torch.manual_seed(arguments.seed)
    recipe = RECIPES[arguments.recipe]
    data = read_set(arguments.data)
    model = smp.Unet(
        "resnet34",
        encoder_weights=None,
        in_channels=data.channels,
        classes=data.logits,
    )
    if recipe.is_fast:
        model = model.to(memory_format=torch.channels_last)
    model, steps = _train(model, recipe, data, arguments, started=started)
    trained_s = time.monotonic() - started
    rows = _test(model, recipe, data)
    write_cases(arguments.out / "cases.csv", rows)
    write_summary(arguments.out / "summary.json", summarise(rows))
    write_json(arguments.out / "run.json", {"steps": steps, "seconds": trained_s})


def _train(
    model: nn.Module,
    recipe: Recipe,
    data: PlainSet,
    arguments: argparse.Namespace,
    *,
    started: float,
) -> tuple[nn.Module, int]:
    """Make steps until the time is over; return what is tested, and how many."""
    loader = endless_loader(
        data, side=recipe.crop, batch=_BATCH, workers=count_workers("auto")
    )
    optimizer = recipe.optimizer(model.parameters(), lr=recipe.lr)
    average = _average_of(model, recipe)
    model.train()
    steps = 0
    for images, masks in loader:
        done = (time.monotonic() - started) / arguments.seconds
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(done)
        loss = _loss(recipe.logits(model, images), masks)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's, in 2.15
        optimizer.step()
        if average is not None:
            average.update_parameters(model)
        steps += 1
    return model if average is None else average.module, steps


def _average_of(model: nn.Module, recipe: Recipe) -> AveragedModel | None:
    if recipe.ema_decay is None:
        return None
    follow = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=follow, use_buffers=True)


def _loss(logits: Tensor, masks: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(
            logits[:, 0], masks.to(logits.dtype)
        )
    return functional.cross_entropy(logits, masks)


@torch.no_grad()
def _test(model: nn.Module, recipe: Recipe, data: PlainSet) -> list[CaseRow]:
    """Count on whole test images at their native size."""
    model.eval()
    rows = []
    for pair in data.test:
        pixels, truth = data.read(pair)
        predicted = _predict(model, recipe, pixels)
        rows += case_rows(pair.image.stem, count_overlap(truth, predicted, data.labels))
    return rows


def _predict(
    model: nn.Module, recipe: Recipe, pixels: NDArray[np.float32]
) -> NDArray[np.int64]:
    """Class ids (rows, cols) of one image (C, rows, cols)."""
    _, rows, cols = pixels.shape
    padded = np.pad(pixels, [(0, 0), (0, -rows % 32), (0, -cols % 32)], mode="reflect")
    logits = recipe.logits(model, torch.from_numpy(padded)[None])[0, :, :rows, :cols]
    ids = logits[0] > 0 if len(logits) == 1 else logits.argmax(0)
    found: NDArray[np.int64] = ids.long().numpy()
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="plain")
    parser.add_argument("--seconds", type=float, default=300, help="time to train")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
