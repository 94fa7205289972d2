"""The eight ways to look at a square, for averages over test-time flips and turns."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["VIEWS", "Views", "seen", "unseen"]

Views = Literal["none", "flips", "all"]

VIEWS: dict[Views, tuple[int, ...]] = {
    "none": (0,),
    "flips": (0, 1, 2, 3),
    "all": tuple(range(8)),
}
"""What ``--tta`` may be; a view is a number whose bits are: rows, columns, swapped."""


def seen(tiles: NDArray[Any], view: int) -> NDArray[Any]:
    """Look at tiles, shape (n, channels, rows, cols), in one of the eight ways."""
    if view & 1:
        tiles = tiles[:, :, ::-1]
    if view & 2:
        tiles = tiles[:, :, :, ::-1]
    return np.ascontiguousarray(tiles.swapaxes(2, 3) if view & 4 else tiles)


def unseen(tiles: NDArray[Any], view: int) -> NDArray[Any]:
    """Turn back what `seen` did."""
    if view & 4:
        tiles = tiles.swapaxes(2, 3)
    if view & 1:
        tiles = tiles[:, :, ::-1]
    if view & 2:
        tiles = tiles[:, :, :, ::-1]
    return np.ascontiguousarray(tiles)
