"""The demo data set: painted blood smears in the folders that segx expects."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.data.smear import paint_smear
from segx.errors import DataError
from segx.geometry import Extent, Region
from segx.labels import Labels
from segx.scans import ArrayScan, create_mask, write_png

__all__ = ["CELL_LABELS", "DemoCells", "write_cells"]

CELL_LABELS = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
"""What the masks hold; `data.classes` gives the names to a run."""


@dataclass(frozen=True)
class DemoCells:
    """Where the demo data set is.

    Args:
        root: Folder for `data.root`.
        scan: A large picture to predict.
        scan_mask: The truth about it.
    """

    root: Path
    scan: Path
    scan_mask: Path


def write_cells(
    root: Path, *, seed: int = 0, images: int = 36, size: int = 256, scan: int = 2048
) -> DemoCells:
    """Paint a small data set with train, valid and test folders, and a large scan.

    Two thirds of the images are for training, a sixth each for validation and test.
    Equal arguments give equal files.

    Args:
        root: Folder to make; existing files of the same names are replaced.
        seed: Another seed gives other pictures.
        images: Number of images, at least 6.
        size: Rows and columns of an image, in pixels.
        scan: Rows and columns of the scan, in pixels.

    Raises:
        DataError: If `images` is too small to fill three folders.
        ScanError: If a file can't be written.
    """
    if images < 6:
        raise DataError(
            f"{images} images can't fill three folders. Ask for at least 6."
        )
    held_out = images // 6
    splits = ["train"] * (images - 2 * held_out) + ["valid"] * held_out
    splits += ["test"] * held_out
    for number, split in enumerate(splits):
        picture, truth = _paint(size, seed, number)
        name = f"field_{number:02d}.png"
        _write(
            root / split / "images" / name,
            root / split / "masks" / name,
            picture,
            truth,
        )
    demo = DemoCells(root, scan=root / "scan.png", scan_mask=root / "scan_mask.png")
    _write(demo.scan, demo.scan_mask, *_paint(scan, seed, images))
    return demo


def _paint(
    size: int, seed: int, number: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Field number so-and-so of a seed."""
    return paint_smear(Extent(size, size), np.random.default_rng([seed, number]))


def _write(
    image: Path, mask: Path, picture: NDArray[np.uint8], truth: NDArray[np.uint8]
) -> None:
    """Write a picture and, as an indexed PNG, its mask."""
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_png(image, picture)
    scan = ArrayScan(picture)
    with create_mask(mask, like=scan, labels=CELL_LABELS) as sink:
        sink.write(Region.whole(scan.extent), truth)
