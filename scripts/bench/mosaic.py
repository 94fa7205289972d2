"""A scan of any size from a folder of pictures, mirrored until it is full."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from segx.data.instances import boxes_of_ids
from segx.scans import scan_files

__all__ = ["Mosaic", "mosaic", "mosaic_boxes", "write_scan"]

_TILE = (256, 256)


@dataclass(frozen=True)
class Mosaic:
    """Pictures side by side.

    Args:
        pixels: RGB, shape (side, side, 3).
        edges: Rows, and columns too, at which another picture begins.
    """

    pixels: NDArray[np.uint8]
    edges: tuple[int, ...]


def mosaic(pictures: Path, side: int) -> Mosaic:
    """Lay the pictures of a folder side by side in a square.

    Each fills a cell of its own: cut to it where it is larger, continued by
    reflection where it is smaller.

    Args:
        pictures: A folder of RGB pictures; they are taken again until the square is
            full.
        side: Rows and columns of the square, in pixels.
    """
    read = [_read(path, "RGB") for path in scan_files([pictures])]
    scan, edges = _laid_out(read, side)
    return Mosaic(scan, edges)


def mosaic_boxes(instances: Path, side: int) -> NDArray[np.float32]:
    """The true boxes of a `mosaic`, shape (n, 4): left, top, right and bottom.

    What the border of a picture cuts and its reflection continues is one object, as it
    looks.

    Args:
        instances: A folder with the instance mask of each of the pictures.
        side: Rows and columns of the mosaic.
    """
    read = [_read(path, "I").astype(np.int64) for path in scan_files([instances])]
    cells, _ = _laid_out(read, side, numbered=True)
    boxes = [
        boxes_of_ids(ndimage.label(cells[place] == number)[0])
        + np.tile([place[1].start, place[0].start], 2)
        for number, place in enumerate(ndimage.find_objects(cells), start=1)
        if place is not None
    ]
    return np.concatenate([np.zeros((0, 4), np.float32), *boxes]).astype(np.float32)


def _read(path: Path, mode: str) -> NDArray[Any]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert(mode))


def _laid_out(
    pictures: Sequence[NDArray[Any]], side: int, *, numbered: bool = False
) -> tuple[NDArray[Any], tuple[int, ...]]:
    """The square, and the rows and columns at which another picture begins.

    Args:
        pictures: Each of shape (rows, cols) or (rows, cols, 3).
        side: Rows and columns of the square.
        numbered: Whether they hold ids, which no two cells shall have in common.
    """
    cell = math.ceil(side / math.ceil(math.sqrt(len(pictures))))
    # Begun within a picture, for edges to fall beside the borders of tiles.
    begun = cell // 3
    cells = math.ceil((side + begun) / cell)
    shape = (cells * cell, cells * cell, *pictures[0].shape[2:])
    scan = np.empty(shape, pictures[0].dtype)
    used = 0
    for number in range(cells * cells):
        top, left = (cell * place for place in divmod(number, cells))
        pixels = pictures[number % len(pictures)][:cell, :cell]
        if numbered:
            pixels = np.where(pixels > 0, pixels + used, 0)
            used = max(used, pixels.max())
        missing = [(0, cell - length) for length in pixels.shape[:2]]
        others = [(0, 0)] * (pixels.ndim - 2)
        filled = np.pad(pixels, [*missing, *others], mode="symmetric")
        scan[top : top + cell, left : left + cell] = filled
    window = slice(begun, begun + side)
    return scan[window, window], tuple(range(cell - begun, side, cell))


def write_scan(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write a tiled TIFF without loss, so that every reader sees the same pixels."""
    tifffile.imwrite(
        path, pixels, photometric="rgb", tile=_TILE, compression="zlib", metadata=None
    )
    return path
