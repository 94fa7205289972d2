"""The recipe that most people start with, for a given time: the peer of segx fit.

smp's Unet on resnet34 with random weights, float32, default memory format, Adam 1e-3,
batches of 8 random 256x256 crops with flips, plain cross-entropy. After the time asked
it is tested on whole images, padded to a multiple of 32. Written for `accuracy.py`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from plain_data import PlainSet, endless_loader, read_set
from torch import Tensor, nn
from torch.nn import functional

from segx.evaluation.cases import CaseRow, case_rows, write_cases
from segx.evaluation.records import write_json
from segx.evaluation.summary import summarise
from segx.evaluation.summary_file import write_summary
from segx.labels import Labels
from segx.metrics import count_overlap

__all__ = ["main"]


def main() -> None:
    """Train, test, and write cases.csv, summary.json and run.json."""
    started = time.monotonic()
    arguments = _parser().parse_args()
    torch.manual_seed(arguments.seed)
    data = read_set(arguments.data)
    model = smp.Unet(
        "resnet34",
        encoder_weights=None,
        in_channels=data.channels,
        classes=data.logits,
    )
    steps = _train(model, data, arguments, deadline=started + arguments.seconds)
    trained_s = time.monotonic() - started
    rows = _test(model, data)
    write_cases(arguments.out / "cases.csv", rows)
    write_summary(arguments.out / "summary.json", summarise(rows))
    write_json(arguments.out / "run.json", {"steps": steps, "seconds": trained_s})


def _train(
    model: nn.Module, data: PlainSet, arguments: argparse.Namespace, *, deadline: float
) -> int:
    """Make steps until the deadline; return how many."""
    loader = endless_loader(
        data, side=arguments.crop, batch=arguments.batch, workers=arguments.workers
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    for step, (images, masks) in enumerate(loader):
        if time.monotonic() >= deadline:
            return step
        loss = _loss(model(images), masks)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's, in 2.15
        optimizer.step()
    return len(loader)


def _loss(logits: Tensor, masks: Tensor) -> Tensor:
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(
            logits[:, 0], masks.to(logits.dtype)
        )
    return functional.cross_entropy(logits, masks)


@torch.no_grad()
def _test(model: nn.Module, data: PlainSet) -> list[CaseRow]:
    """Count on whole test images at their native size."""
    model.eval()
    names = ("background", *(f"class{index}" for index in range(1, data.classes)))
    labels = Labels("binary" if data.classes == 2 else "multiclass", names)
    rows = []
    for pair in data.test:
        pixels, truth = data.read(pair)
        predicted = _predict(model, pixels)
        rows += case_rows(pair.image.stem, count_overlap(truth, predicted, labels))
    return rows


def _predict(model: nn.Module, pixels: NDArray[np.float32]) -> NDArray[np.int64]:
    """Class ids (rows, cols) of one image (C, rows, cols)."""
    _, rows, cols = pixels.shape
    padded = np.pad(pixels, [(0, 0), (0, -rows % 32), (0, -cols % 32)], mode="reflect")
    logits = model(torch.from_numpy(padded)[None])[0, :, :rows, :cols]
    ids = logits[0] > 0 if len(logits) == 1 else logits.argmax(0)
    found: NDArray[np.int64] = ids.long().numpy()
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--seconds", type=float, default=300, help="time to train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crop", type=int, default=256, help="side of a crop")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    return parser


if __name__ == "__main__":
    main()
