"""What validation cases taught about a model: how sure it may be of its answers."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segx.errors import ModelError

__all__ = ["Calibration"]


@dataclass(frozen=True)
class Calibration:
    """One temperature, and what the Dice of a case was at each soft Dice.

    Args:
        temperature: Logits are divided by it before softmax or sigmoid; above 1 makes
            probabilities less sure. The most probable class stays the same.
        soft_dice: Values of the soft Dice, rising, each in [0, 1]; empty for a
            classifier.
        dice: The Dice that goes with each, not falling, in [0, 1].
        flag_below: A case whose predicted Dice is lower deserves a look; nine of ten
            clean validation cases reach it. In [0, 1].

    Raises:
        ModelError: If a number is out of range.

    References:
        Guo et al. 2017, arXiv:1706.04599 (the temperature).

    Examples:
        >>> Calibration(1.5, soft_dice=(0.5, 0.9), dice=(0.2, 0.8)).predict_dice(0.7)
        0.5
    """

    temperature: float = 1.0
    soft_dice: tuple[float, ...] = ()
    dice: tuple[float, ...] = ()
    flag_below: float = 0.0

    def __post_init__(self) -> None:
        shares = (*self.soft_dice, *self.dice, self.flag_below)
        fits = (
            0 < self.temperature < math.inf
            and all(0 <= share <= 1 for share in shares)
            and len(self.soft_dice) == len(self.dice)
            and list(self.soft_dice) == sorted(set(self.soft_dice))
            and list(self.dice) == sorted(self.dice)
        )
        if not fits:
            raise ModelError(
                f"A temperature of {self.temperature}, soft Dice {self.soft_dice}, "
                f"Dice {self.dice} and a limit of {self.flag_below} are no "
                "calibration: the first is above 0, the others are rising shares, two "
                "of a length. Calibrate again: segx calibrate RUN"
            )

    def temper(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Divide logits by the temperature."""
        if self.temperature == 1:
            return logits
        return logits / np.float32(self.temperature)

    def predict_dice(self, soft_dice: float) -> float | None:
        """The Dice that masks of this soft Dice had; None if none were looked at."""
        if not self.dice:
            return None
        return float(np.interp(soft_dice, self.soft_dice, self.dice))
