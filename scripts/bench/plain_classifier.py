"""The recipe that most people start with, for a given time: the peer of segx fit.

timm's resnet18 with random weights, float32, default memory format, Adam 1e-3, batches
of whole images at one size with flips, plain cross-entropy. After the time asked it is
tested on the images of test/. Written for `classification.py`.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, RandomSampler

from segx.data.loading import count_workers
from segx.evaluation.classification import ClassifiedCase
from segx.evaluation.classified_file import write_classified
from segx.evaluation.records import write_json

__all__ = ["main"]


class Images(Dataset[tuple[Tensor, int]]):
    """The images of a split, resized, with random flips if asked.

    Args:
        folder: Holds a folder per class.
        side: Rows and columns that images are given.
        flips: Whether they are flipped at random.
    """

    def __init__(self, folder: Path, side: int, *, flips: bool) -> None:
        self.classes = sorted(item.name for item in folder.iterdir() if item.is_dir())
        self.files = [
            (path, index)
            for index, name in enumerate(self.classes)
            for path in sorted((folder / name).iterdir())
        ]
        self.side = side
        self.flips = flips

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Image (3, side, side) in 0 … 1 and its class."""
        path, label = self.files[index]
        with Image.open(path) as image:
            size = (self.side, self.side)
            resized = image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(resized, np.float32) / np.float32(255))
        picture = pixels.permute(2, 0, 1)
        if self.flips:
            axes = [axis for axis in (1, 2) if torch.rand(()) < 0.5]
            picture = picture.flip(axes)
        return picture, label


def main() -> None:
    """Train, test, and write cases.csv and run.json."""
    started = time.monotonic()
    arguments = _parser().parse_args()
    torch.manual_seed(arguments.seed)
    train = Images(arguments.data / "train", arguments.side, flips=True)
    model = timm.create_model("resnet18", num_classes=len(train.classes))
    batches = _batches(train, batch=arguments.batch)
    steps = _train(model, batches, deadline=started + arguments.seconds)
    trained_s = time.monotonic() - started
    test = Images(arguments.data / "test", arguments.side, flips=False)
    cases = _test(model, test)
    write_classified(arguments.out / "cases.csv", cases, class_names=train.classes)
    write_json(arguments.out / "run.json", {"steps": steps, "seconds": trained_s})


def _batches(images: Images, *, batch: int) -> Iterator[list[Tensor]]:
    """Batches without an end in sight: no worker starts anew within a measurement."""
    sampler = RandomSampler(images, replacement=True, num_samples=batch * 1_000_000)
    workers = count_workers("auto")
    return iter(DataLoader(images, batch, sampler=sampler, num_workers=workers))


def _train(
    model: nn.Module, batches: Iterator[list[Tensor]], *, deadline: float
) -> int:
    """Make steps until the deadline; return how many."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    for step, (images, labels) in enumerate(batches):
        if time.monotonic() >= deadline:
            return step
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's, in 2.15
        optimizer.step()
    raise SystemExit("The batches came to an end before the time did.")


@torch.no_grad()
def _test(model: nn.Module, images: Images) -> list[ClassifiedCase]:
    """The probabilities of every test image."""
    model.eval()
    cases = []
    for index, (path, label) in enumerate(images.files):
        probabilities = model(images[index][0][None]).softmax(1)[0].tolist()
        cases.append(ClassifiedCase(path.stem, None, label, tuple(probabilities)))
    return cases


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--seconds", type=float, default=600, help="time to train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=224, help="side of an image")
    parser.add_argument("--batch", type=int, default=16)
    return parser


if __name__ == "__main__":
    main()
