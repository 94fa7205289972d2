"""Batches that are halved until the device has memory for them."""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from segx.errors import OutOfMemoryError

__all__ = ["Frugal"]

logger = logging.getLogger(__name__)

_Found = TypeVar("_Found")


class Frugal(Generic[_Found]):
    """Runs batches in parts, once the device has been found too small for a whole.

    Args:
        run: From tiles (n, channels, rows, cols) to what the network says of them.
    """

    def __init__(self, run: Callable[[NDArray[np.float32]], _Found]) -> None:
        self._run = run
        self._most: int | None = None

    def __call__(self, tiles: NDArray[np.float32]) -> list[_Found]:
        """What the network says of each part of a batch, in order.

        Raises:
            OutOfMemoryError: If there is too little memory for a single tile.
        """
        size = min(len(tiles), self._most or len(tiles))
        try:
            return [
                self._run(tiles[first : first + size])
                for first in range(0, len(tiles), size)
            ]
        except OutOfMemoryError:
            if size == 1:
                raise
            self._most = size // 2
            logger.warning("Memory is short: %d tiles at once, not %d", size // 2, size)
            return self(tiles)
