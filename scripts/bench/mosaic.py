"""A scan of any size from a folder of pictures, mirrored until it is full."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segx.scans import scan_files

__all__ = ["Mosaic", "mosaic", "write_scan"]

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
    files = scan_files([pictures])
    cell = math.ceil(side / math.ceil(math.sqrt(len(files))))
    # Begun within a picture, for edges to fall beside the borders of tiles.
    begun = cell // 3
    cells = math.ceil((side + begun) / cell)
    scan = np.empty((cells * cell, cells * cell, 3), np.uint8)
    for number in range(cells * cells):
        top, left = (cell * place for place in divmod(number, cells))
        with Image.open(files[number % len(files)]) as picture:
            pixels = np.asarray(picture.convert("RGB"))[:cell, :cell]
        missing = [(0, cell - length) for length in pixels.shape[:2]]
        filled = np.pad(pixels, [*missing, (0, 0)], mode="symmetric")
        scan[top : top + cell, left : left + cell] = filled
    window = slice(begun, begun + side)
    return Mosaic(scan[window, window], tuple(range(cell - begun, side, cell)))


def write_scan(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write a tiled TIFF without loss, so that every reader sees the same pixels."""
    tifffile.imwrite(
        path, pixels, photometric="rgb", tile=_TILE, compression="zlib", metadata=None
    )
    return path
