"""Sound data sets, one in every layout that segx reads."""

import csv
import dataclasses
import functools
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.phantoms import write_volume

LayoutName = Literal[
    "folders", "splits", "multilabel", "manifest", "classes", "volumes", "nnunet"
]
LAYOUTS: tuple[LayoutName, ...] = (
    "folders",
    "splits",
    "multilabel",
    "manifest",
    "classes",
    "volumes",
    "nnunet",
)
SHAPE = (40, 48)
PLANES = 6
SPLITS = ("train", "val", "test")


def picture(seed: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    """A grey picture that no other seed gives anything like."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 220, (9, 9), np.uint8))
    smooth = np.asarray(coarse.resize(shape[::-1], Image.Resampling.BICUBIC), float)
    return np.clip(smooth + rng.normal(0, 6, shape), 0, 255).astype(np.uint8)


def blob(seed: int, shape: tuple[int, int] = SHAPE) -> NDArray[np.uint8]:
    """A disc of ones somewhere in zeros."""
    rng = np.random.default_rng(seed)
    row, col = rng.uniform(0.35, 0.65, 2) * shape
    down, across = np.ogrid[: shape[0], : shape[1]]
    return (np.hypot(down - row, across - col) < 10).astype(np.uint8)


@dataclass
class Built:
    """A data set on disk that grows case by case.

    Args:
        root: Its folder.
        layout: How it is laid out.
        rows: The lines of its manifest.
        classes: Foreground classes so far.
        seed: Of the last picture.
    """

    root: Path
    layout: LayoutName
    rows: list[dict[str, str]] = field(default_factory=list)
    classes: int = 1
    seed: int = 0

    @property
    def suffix(self) -> str:
        return ".nii.gz" if self.layout == "volumes" else ".png"

    def image(self, stem: str, split: str = "train") -> Path:
        """Where a case's image is."""
        if self.layout == "classes":
            return self.root / split / "cat" / f"{stem}.png"
        if self.layout == "nnunet":
            return self._raw("images", split) / f"{stem}_0000.png"
        return self._place(split) / "images" / f"{stem}{self.suffix}"

    def mask(self, stem: str, split: str = "train") -> Path:
        """Where a case's mask is; of several, the first."""
        if self.layout == "nnunet":
            return self._raw("labels", split) / f"{stem}.png"
        inner = "masks/one" if self.layout == "multilabel" else "masks"
        return self._place(split) / inner / f"{stem}{self.suffix}"

    def add(self, stem: str, split: str = "train", *, patient: str = "") -> None:
        """Write a sound case."""
        self.seed += 1
        write(self.image(stem, split), self.fresh_image(self.seed))
        if self.layout != "classes":
            write(self.mask(stem, split), self.fresh_mask(self.seed))
        if self.layout == "multilabel":
            other = self._place(split) / "masks" / "two" / f"{stem}.png"
            write(other, self.fresh_mask(self.seed + 10_000))
        self.row(image=f"{stem}.png", split=split, patient=patient or stem)

    def fresh_image(self, seed: int) -> NDArray[Any]:
        """Pixels of an image."""
        if self.layout != "volumes":
            return picture(seed)
        return np.stack([picture(100 * seed + plane) for plane in range(PLANES)])

    def fresh_mask(self, seed: int) -> NDArray[np.uint8]:
        """Pixels of a mask."""
        mask = blob(seed)
        return np.stack([mask] * PLANES) if self.layout == "volumes" else mask

    def row(self, **cells: str) -> None:
        """Write down a line of the manifest."""
        self.rows.append({"mask": "", **cells})

    def finish(self) -> dict[str, Any]:
        """Write what describes the set, if anything; the keys of the config's data."""
        if self.layout == "nnunet":
            description = {
                "channel_names": {"0": "grey"},
                "labels": {"background": 0, "cell": 1},
                "numTraining": len(list((self.root / "imagesTr").iterdir())),
                "file_ending": ".png",
            }
            (self.root / "dataset.json").write_text(json.dumps(description))
        if self.layout != "manifest":
            return {"root": self.root}
        names = ("image", "split", "patient")
        with (self.root / "cases.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, names, extrasaction="ignore", restval="")
            table.writeheader()
            table.writerows(self.rows)
        return {"root": self.root, "manifest": "cases.csv"}

    def _raw(self, kind: str, split: str) -> Path:
        return self.root / f"{kind}{'Ts' if split == 'test' else 'Tr'}"

    def _place(self, split: str) -> Path:
        is_flat = self.layout in {"folders", "manifest"}
        return self.root if is_flat else self.root / split


def write(path: Path, array: NDArray[Any], **options: Any) -> None:
    """Write an array as the suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in {".gz", ".nrrd"}:
        write_volume(path, array, **options)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path, **options)


@functools.cache
def _clean(layout: LayoutName) -> tuple[tempfile.TemporaryDirectory[str], Built]:
    """A sound data set that is made once and copied."""
    folder = tempfile.TemporaryDirectory()
    return folder, _make_clean(Path(folder.name), layout)


def clean(root: Path, layout: LayoutName) -> Built:
    """A sound data set with enough cases that a defect in one is the exception."""
    _, made = _clean(layout)
    shutil.copytree(made.root, root, dirs_exist_ok=True)
    rows = [dict(row) for row in made.rows]
    return dataclasses.replace(made, root=root, rows=rows)


def _make_clean(root: Path, layout: LayoutName) -> Built:
    built = Built(root, layout)
    for split in SPLITS:
        for number in range(8 if split == "train" else 4):
            built.add(f"{split}{number}", split)
    if layout == "classes":
        for split in SPLITS:
            for number in range(4):
                path = root / split / "dog" / f"d{split}{number}.png"
                write(path, picture(5000 + len(built.rows)))
                built.row()
    return built
