"""How far one mask can be trusted, summed up while it is predicted."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from segx.labels import Labels
from segx.masks.calibration import Calibration
from segx.masks.uncertainty import entropy

__all__ = [
    "LOOK",
    "NOTHING_FOUND",
    "Confidence",
    "expected_pixels",
    "sum_rows",
    "sums_in_row",
]

LOOK = "look at this case"
NOTHING_FOUND = "nothing was found"

# Of the whole foreground, before the sums of each class.
_ENTROPY, _DISSENT, _FOREGROUND, _OVERALL = range(4)

_PIECE = 2**20  # pixels that are looked at at once


@dataclass(frozen=True, slots=True)
class Confidence:
    """What the probabilities of a whole scan, slide or volume say of its mask.

    All is said of the mask before it is cleaned, and all of it is what the model
    believes: of what it has never seen the like of, it may be sure and wrong.

    Args:
        mean_entropy: Mean of the normalised entropy over the foreground: 0 certain, 1
            undecided; None without foreground.
        disagreement: Pixels that a view or a member decides otherwise than their mean,
            averaged over views and members, as a share of the foreground; None where
            there is one of both, or no foreground.
        soft_dice: Dice of the mask with the probabilities, averaged over the classes
            that were found; None if none was.
        predicted_dice: The Dice that validation cases of this soft Dice had, clean and
            corrupted ones; None where the model was not calibrated.
        flag: `LOOK` if that is below the calibration's limit, `NOTHING_FOUND` without
            foreground, else None.

    References:
        Borges et al. 2024, arXiv:2402.10665 (soft Dice as a confidence); Jungo and
        Reyes 2019, arXiv:1907.03338 (why pixels' uncertainties must be summed up over
        the case); Robinson et al. 2018, arXiv:1806.06244 (predicting Dice).
    """

    mean_entropy: float | None
    disagreement: float | None
    soft_dice: float | None
    predicted_dice: float | None
    flag: str | None

    @classmethod
    def of(
        cls,
        sums: NDArray[np.float64],
        *,
        has_dissent: bool,
        calibration: Calibration | None,
    ) -> Self:
        """Sum up a scan.

        Args:
            sums: The sum of what `sum_rows` gave for all rows, shape (sums,).
            has_dissent: Whether several views or members were averaged.
            calibration: What predicts the Dice; None if the model has none.
        """
        foreground = float(sums[_FOREGROUND])
        overlap, mass, area = sums[_OVERALL:].reshape(3, -1)
        if not foreground:
            return cls(None, None, None, None, flag=NOTHING_FOUND)
        found = area > 0
        soft = 2 * overlap[found] / (mass[found] + area[found])
        soft_dice = float(soft.mean())
        predicted = flag = None
        if calibration is not None:
            predicted = calibration.predict_dice(soft_dice)
            is_low = predicted is not None and predicted < calibration.flag_below
            flag = LOOK if is_low else None
        return cls(
            mean_entropy=float(sums[_ENTROPY]) / foreground,
            disagreement=float(sums[_DISSENT]) / foreground if has_dissent else None,
            soft_dice=soft_dice,
            predicted_dice=predicted,
            flag=flag,
        )


def sums_in_row(labels: Labels) -> int:
    """Number of sums that `sum_rows` gives for each row."""
    return _OVERALL + 3 * len(labels.foreground)


def expected_pixels(sums: NDArray[np.float64]) -> tuple[float, ...]:
    """The sum of each foreground class's probability.

    Args:
        sums: The sum of what `sum_rows` gave for all rows.
    """
    return tuple(sums[_OVERALL:].reshape(3, -1)[1].tolist())


def sum_rows(
    probabilities: NDArray[np.float32],
    mask: NDArray[np.uint8],
    labels: Labels,
    *,
    dissent: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Sum a band up, row by row: what a scan is judged by, without its pixels.

    Rows are kept apart so that a prediction that was killed goes on with the same sums,
    to the last bit.

    Args:
        probabilities: In [0, 1], shape (classes, rows, cols).
        mask: What `decide` makes of them.
        labels: What the classes are.
        dissent: Share of views and members that decide otherwise, shape (rows, cols).

    Returns:
        Shape (rows, `sums_in_row`).
    """
    rows, cols = mask.shape[:2]
    step = max(1, _PIECE // cols)
    sums = np.zeros((rows, sums_in_row(labels)))
    for top in range(0, rows, step):
        part = slice(top, top + step)
        _add(sums[part], probabilities[:, part], mask[part], labels)
    if dissent is not None:
        sums[:, _DISSENT] = dissent.sum(axis=1, dtype=np.float64)
    return sums


def _add(
    sums: NDArray[np.float64],
    probabilities: NDArray[np.float32],
    mask: NDArray[np.uint8],
    labels: Labels,
) -> None:
    """Fill in the sums of a few rows, all but those of the dissent."""
    is_multilabel = labels.kind == "multilabel"
    row, col = np.nonzero(mask.any(axis=2) if is_multilabel else mask)
    doubt = entropy(probabilities[:, row, col][:, np.newaxis], labels)[0]
    sums[:, _ENTROPY] = np.bincount(row, weights=doubt, minlength=len(sums))
    sums[:, _FOREGROUND] = np.bincount(row, minlength=len(sums))
    of_classes = sums[:, _OVERALL:].reshape(len(sums), 3, -1)
    for place, belief in enumerate(probabilities[-len(labels.foreground) :]):
        layer = mask[..., place] if is_multilabel else mask == place + 1
        of_classes[:, 0, place] = (belief * layer).sum(axis=1, dtype=np.float64)
        of_classes[:, 1, place] = belief.sum(axis=1, dtype=np.float64)
        of_classes[:, 2, place] = np.count_nonzero(layer, axis=1)
