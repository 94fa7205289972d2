"""What every engine is: tiles in, logits out."""

import os
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from segx.boxes import Detections
from segx.environment import usable_cores
from segx.errors import OutOfMemoryError

__all__ = [
    "BoxRuntime",
    "Head",
    "Precision",
    "Runtime",
    "too_little_memory",
    "usable_threads",
]

Precision = Literal["fp32", "bf16", "fp16", "int8"]
Head = Literal["mask", "class"]


class Runtime(Protocol):
    """An engine with a network in it: nothing else knows which one it is."""

    @property
    def about(self) -> str:
        """Engine, device and precision, such as ``torch cpu bf16``."""

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network.

        Args:
            tiles: Normalised images, shape (n, channels, rows, cols).

        Returns:
            Logits of each pixel, shape (n, classes, rows, cols); of a classifier,
            shape (n, classes).

        Raises:
            OutOfMemoryError: If the device has too little memory for so many tiles.
            ModelError: If the network can't run.
        """


class BoxRuntime(Protocol):
    """An engine with a detector in it."""

    @property
    def about(self) -> str:
        """Engine, device and precision, such as ``torch cpu fp32``."""

    def find(self, tiles: NDArray[np.float32]) -> list[Detections]:
        """Run the detector.

        Args:
            tiles: Normalised images, shape (n, channels, rows, cols), of any size.

        Returns:
            The objects in each tile, in its pixels.

        Raises:
            OutOfMemoryError: If the device has too little memory for so many tiles.
            ModelError: If the detector can't run.
        """


def usable_threads() -> int:
    """Threads for an engine: ``OMP_NUM_THREADS`` where it is set, else every core."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() and int(told) else usable_cores()


def too_little_memory(device: str, tiles: NDArray[np.float32]) -> OutOfMemoryError:
    """The error for a batch that a device has too little memory for."""
    return OutOfMemoryError(
        f"{device} has too little memory for {len(tiles)} tiles of "
        f"{tiles.shape[2]}x{tiles.shape[3]} px. Take smaller batches or tiles: "
        "--batch-size, --tile."
    )
