"""Seeded images and masks in every layout that segx reads."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def disc(
    size: tuple[int, int], seed: int, *, channels: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """A bright, noisy disc on a dark ground, and its mask of ids 0 and 1."""
    rng = np.random.default_rng(seed)
    rows, cols = np.ogrid[: size[0], : size[1]]
    row, col = rng.uniform(0.3, 0.7, 2) * size
    radius = rng.uniform(0.2, 0.35) * min(size)
    mask = ((rows - row) ** 2 + (cols - col) ** 2 < radius**2).astype(np.uint8)
    noise = rng.normal(0, 12, (*size, channels))
    image = np.clip(70 + 90 * mask[..., None] + noise, 0, 255).astype(np.uint8)
    return (image[..., 0] if channels == 1 else image), mask


def write_discs(
    root: Path,
    *,
    count: int = 6,
    size: tuple[int, int] = (70, 90),
    channels: int = 3,
    splits: tuple[str, ...] = ("train", "test"),
) -> Path:
    """A data set of `images/` and `masks/` in the folders of its splits."""
    for number, split in enumerate(splits):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for index in range(count):
            image, mask = disc(size, 100 * number + index, channels=channels)
            name = f"{split}{index}.png"
            Image.fromarray(image).save(root / split / "images" / name)
            Image.fromarray(mask).save(root / split / "masks" / name)
    return root


def write_classes(
    root: Path, *, count: int = 8, size: tuple[int, int] = (40, 40)
) -> Path:
    """A folder per class: dark images and bright ones."""
    for number, name in enumerate(("bright", "dark")):
        (root / name).mkdir(parents=True)
        for index in range(count):
            rng = np.random.default_rng(10 * index + number)
            level = 170 - 100 * number
            image = np.clip(rng.normal(level, 20, (*size, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(image).save(root / name / f"{name}{index}.png")
    return root


def ball(shape: tuple[int, int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright, noisy ball of two halves in a dark volume, and its ids 0, 1 and 2."""
    rng = np.random.default_rng(seed)
    planes, rows, cols = np.ogrid[: shape[0], : shape[1], : shape[2]]
    plane, row, col = rng.uniform(0.4, 0.6, 3) * shape
    radius = rng.uniform(0.25, 0.35) * min(shape)
    distance = (planes - plane) ** 2 + (rows - row) ** 2 + (cols - col) ** 2
    mask = ((distance < radius**2) * np.where(rows < row, 1, 2)).astype(np.uint8)
    noise = rng.normal(0, 12, shape)
    return np.clip(70 + 60 * mask + noise, 0, 255).astype(np.float32), mask


def write_volume(
    path: Path,
    array: np.ndarray,
    *,
    spacing_mm: tuple[float, float, float] = (2.0, 1.0, 0.5),
    origin_mm: tuple[float, float, float] = (5.0, -7.0, 11.0),
) -> Path:
    """A volume (planes, rows, cols), written by SimpleITK."""
    sitk = pytest.importorskip("SimpleITK", reason="volumes need segx[volumes]")
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing_mm[::-1])
    image.SetOrigin(origin_mm)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def write_balls(
    root: Path,
    *,
    count: int = 4,
    shape: tuple[int, int, int] = (9, 20, 24),
    splits: tuple[str, ...] = ("train", "test"),
) -> Path:
    """A data set of volumes whose types, units and numbers of planes differ."""
    for number, split in enumerate(splits):
        for index in range(count):
            image, mask = ball((shape[0] + index, *shape[1:]), 100 * number + index)
            if index % 2:
                image = image.astype(np.uint8)
            else:
                image *= 1000.0 * (index + 1)
            name = f"{split}{index}.nii.gz"
            write_volume(root / split / "images" / name, image)
            write_volume(root / split / "masks" / name, mask)
    return root


def write_manifest(
    root: Path, *, count: int = 8, size: tuple[int, int] = (70, 90)
) -> Path:
    """Discs, bright ones and inverted ones, in a list with holes in both columns.

    Of four images in turn one lacks its mask, one its label.
    """
    lines = ["image,mask,label,split"]
    for split, number in (("train", 0), ("val", 100), ("test", 200)):
        for index in range(count):
            image, mask = disc(size, number + index)
            inverted = index // 2 % 2 == 1
            name = f"{split}{index}"
            for kind, array in (
                ("images", 255 - image if inverted else image),
                ("masks", mask),
            ):
                (root / kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(root / kind / f"{name}.png")
            cells = [
                name,
                "" if index % 4 == 1 else name,
                "" if index % 4 == 2 else ("inverted" if inverted else "plain"),
                split,
            ]
            lines.append(",".join(cells))
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    return root


def cells(
    size: tuple[int, int], seed: int, *, most: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """Bright, noisy ellipses on a dark ground, or none, and the id of each."""
    rng = np.random.default_rng(seed)
    rows, cols = np.ogrid[: size[0], : size[1]]
    ids = np.zeros(size, np.uint16)
    for number in range(1, 1 + int(rng.integers(most + 1))):
        row, col = rng.uniform(0.1, 0.9, 2) * size
        high, wide = rng.uniform(5, 12, 2)
        inside = ((rows - row) / high) ** 2 + ((cols - col) / wide) ** 2 < 1
        ids[inside & (ids == 0)] = 3 * number  # not every id is there
    noise = rng.normal(0, 8, (*size, 3))
    image = np.clip(60 + 110 * (ids[..., None] > 0) + noise, 0, 255)
    return image.astype(np.uint8), ids


def write_cells(
    root: Path,
    *,
    count: int = 6,
    size: tuple[int, int] = (70, 90),
    splits: tuple[str, ...] = ("train", "test"),
) -> Path:
    """A data set of `images/` and `instances/` in the folders of its splits."""
    for number, split in enumerate(splits):
        for kind in ("images", "instances"):
            (root / split / kind).mkdir(parents=True)
        for index in range(count):
            image, ids = cells(size, 100 * number + index)
            name = f"{split}{index}.png"
            Image.fromarray(image).save(root / split / "images" / name)
            Image.fromarray(ids).save(root / split / "instances" / name)
    return root


def write_coco(
    path: Path,
    boxes: dict[str, Sequence[tuple[float, float, float, float, str]]],
    *,
    names: Sequence[str] = ("cell", "debris"),
) -> Path:
    """A COCO file of left, top, right, bottom and class, by image; ids are odd."""
    ids = {name: 10 * number + 3 for number, name in enumerate(names)}
    images = {text: 7 * number for number, text in enumerate(boxes)}
    annotations = [
        {
            "image_id": images[text],
            "category_id": ids[name],
            "bbox": [left, top, right - left, bottom - top],
        }
        for text, items in boxes.items()
        for left, top, right, bottom, name in items
    ]
    tree = {
        "images": [{"id": i, "file_name": text} for text, i in images.items()],
        "categories": [{"id": i, "name": name} for name, i in ids.items()],
        "annotations": [{"id": n, **item} for n, item in enumerate(annotations, 100)],
    }
    path.write_text(json.dumps(tree))
    return path
