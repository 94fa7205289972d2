"""Images and masks as a plain script loads them: Pillow, a random crop, flips."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler

from segx.labels import Labels

__all__ = ["Crops", "Pair", "PlainSet", "endless_loader", "read_set"]


class Pair(NamedTuple):
    """An image and its mask."""

    image: Path
    mask: Path


class PlainSet(NamedTuple):
    """A data set of ``train/`` and ``test/`` folders with ``images/`` and ``masks/``.

    Args:
        train: Pairs to learn from.
        test: Pairs to be measured on.
        mode: How Pillow reads the images, ``L`` or ``RGB``.
        classes: Number of classes, the background included.
    """

    train: list[Pair]
    test: list[Pair]
    mode: str
    classes: int

    @property
    def channels(self) -> int:
        """Channels of an image."""
        return 1 if self.mode == "L" else 3

    @property
    def logits(self) -> int:
        """Channels of a network's output: one sigmoid, or a softmax."""
        return 1 if self.classes == 2 else self.classes

    @property
    def labels(self) -> Labels:
        """What the ids of a mask are."""
        names = ("background", *(f"class{index}" for index in range(1, self.classes)))
        return Labels("binary" if self.classes == 2 else "multiclass", names)

    def read(self, pair: Pair) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The image (C, rows, cols) in 0 … 1 and its mask (rows, cols)."""
        with Image.open(pair.image) as image:
            pixels = np.array(image.convert(self.mode), dtype=np.float32) / np.float32(
                255
            )
        with Image.open(pair.mask) as mask:
            ids = np.array(mask, dtype=np.int64)
        return pixels.reshape(*ids.shape, -1).transpose(2, 0, 1), ids


class Crops(Dataset[tuple[Tensor, Tensor]]):
    """A random, randomly flipped crop of each training image.

    Args:
        data: The data set; images smaller than a crop are reflected.
        side: Rows and columns of a crop.
    """

    def __init__(self, data: PlainSet, side: int) -> None:
        self.data = data
        self.side = side

    def __len__(self) -> int:
        return len(self.data.train)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Crop (C, side, side) in 0 … 1 and its mask (side, side)."""
        pixels, ids = self.data.read(self.data.train[index])
        short = [max(0, self.side - size) for size in ids.shape]
        pad = [(size // 2, size - size // 2) for size in short]
        pixels = np.pad(pixels, [(0, 0), *pad], mode="reflect")
        ids = np.pad(ids, pad, mode="reflect")
        top, left = (int(torch.randint(size - self.side + 1, ())) for size in ids.shape)
        window = slice(top, top + self.side), slice(left, left + self.side)
        pixels, ids = pixels[:, *window], ids[window]
        for axis in (-1, -2):
            if torch.rand(()) < 0.5:
                pixels, ids = np.flip(pixels, axis), np.flip(ids, axis)
        return torch.from_numpy(pixels.copy()), torch.from_numpy(ids.copy())


def read_set(root: Path) -> PlainSet:
    """List a data set; the first image tells the mode, the masks tell the classes."""
    train, test = _pairs(root / "train"), _pairs(root / "test")
    with Image.open(train[0].image) as image:
        mode = "L" if image.mode == "L" else "RGB"
    highest = 1
    for pair in train:
        with Image.open(pair.mask) as mask:
            highest = max(highest, int(np.array(mask).max()))
    return PlainSet(train, test, mode, highest + 1)


def endless_loader(
    data: PlainSet, *, side: int, batch: int, workers: int
) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches without an end in sight: no worker starts anew within a measurement."""
    crops = Crops(data, side)
    sampler = RandomSampler(crops, replacement=True, num_samples=batch * 1_000_000)
    return DataLoader(crops, batch, sampler=sampler, num_workers=workers)


def _pairs(folder: Path) -> list[Pair]:
    """Images and masks of equal stems, in order."""
    masks = {path.stem: path for path in (folder / "masks").iterdir()}
    images = sorted((folder / "images").iterdir())
    return [Pair(path, masks[path.stem]) for path in images if path.stem in masks]
