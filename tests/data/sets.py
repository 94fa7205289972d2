"""Small seeded data sets, written to disk the way that users lay them out."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segx.data.case import Case

STEMS = ("a", "b", "c", "d")


def picture(
    rows: int = 20, cols: int = 24, *, channels: int = 3, seed: int = 0
) -> NDArray[np.uint8]:
    """Noise, shape (rows, cols, channels)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (rows, cols, channels), np.uint8)


def disc(rows: int = 20, cols: int = 24, *, value: int = 1) -> NDArray[np.uint8]:
    """A disc of a value in the middle of zeros."""
    down, right = np.mgrid[:rows, :cols]
    inside = np.hypot(down - rows / 2, right - cols / 2) < min(rows, cols) / 3
    return np.where(inside, value, 0).astype(np.uint8)


def save(path: Path, array: NDArray[np.generic]) -> Path:
    """Write an array as an image; one channel becomes grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    Image.fromarray(flat).save(path)
    return path


def write_pairs(
    folder: Path,
    stems: Iterable[str] = STEMS,
    *,
    rows: int = 20,
    cols: int = 24,
    channels: int = 3,
    value: int = 1,
) -> Path:
    """Write images/ and masks/ of a disc into a folder."""
    for number, stem in enumerate(stems):
        seed = number + len(str(folder)) * 100
        image = picture(rows, cols, channels=channels, seed=seed)
        save(folder / "images" / f"{stem}.png", image)
        save(folder / "masks" / f"{stem}.png", disc(rows, cols, value=value))
    return folder


def write_classes(folder: Path, counts: dict[str, int], *, seed: int = 0) -> Path:
    """Write a folder per class with so many images."""
    for index, (name, count) in enumerate(counts.items()):
        for number in range(count):
            image = picture(seed=seed + 1000 * index + number)
            save(folder / name / f"{name}_{number}.png", image)
    return folder


def cases(count: int, *, patients: Sequence[str | None] = (None,)) -> tuple[Case, ...]:
    """Cases without files; patients are handed out in turn."""
    return tuple(
        Case(
            f"case{number:03d}",
            Path(f"case{number:03d}.png"),
            patient=patients[number % len(patients)],
        )
        for number in range(count)
    )
