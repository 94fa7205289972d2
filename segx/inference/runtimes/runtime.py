"""What every engine is: tiles in, logits out."""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Precision", "Runtime"]

Precision = Literal["fp32", "bf16", "fp16", "int8"]


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
