"""Whether a probability of 0.8 comes true eight times in ten."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BINS",
    "Reliability",
    "bin_sums",
    "bins_of",
    "calibration_error",
    "reliability",
]

BINS = 15
"""Number of equal bins of the probability for the calibration error."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """Probability against frequency, in `BINS` equal bins of the probability.

    Args:
        n: Number of cases, or of pixels, in each bin.
        probability: Mean of their probabilities; nan in an empty bin.
        frequency: Share of them that truly are of the class; nan in an empty bin.

    Examples:
        >>> found = reliability(np.array([True, False]), np.array([0.99, 0.97]))
        >>> found.n[-1], round(found.probability[-1], 2), found.frequency[-1]
        (2, 0.98, 0.5)
        >>> round(found.ece, 2)
        0.48
    """

    n: tuple[int, ...]
    probability: tuple[float, ...]
    frequency: tuple[float, ...]

    @classmethod
    def of_sums(cls, sums: NDArray[np.float64]) -> Self:
        """Make it of what `bin_sums` gave, of one part or of several added up."""
        n, scored, real = sums.T
        with np.errstate(invalid="ignore"):
            probability, frequency = scored / n, real / n
        return cls(
            tuple(int(count) for count in n),
            tuple(probability.tolist()),
            tuple(frequency.tolist()),
        )

    @property
    def ece(self) -> float:
        """Expected calibration error; nan of nothing."""
        n = np.array(self.n)
        gaps = np.abs(np.subtract(self.probability, self.frequency))
        total = n.sum()
        return float((n * gaps)[n > 0].sum() / total) if total else float("nan")


def reliability(real: NDArray[np.bool_], scored: NDArray[np.floating]) -> Reliability:
    """Compare probabilities with what came true.

    Args:
        real: Whether a case is of the class, any shape.
        scored: Its probability, the same shape, in [0, 1].
    """
    return Reliability.of_sums(bin_sums(real, scored))


def bin_sums(
    real: NDArray[np.bool_], scored: NDArray[np.floating]
) -> NDArray[np.float64]:
    """What a reliability is made of; the sums of parts add up.

    Args:
        real: Whether a case is of the class, any shape.
        scored: Its probability, the same shape, in [0, 1].

    Returns:
        Number, sum of probabilities and number of real ones of each bin, (BINS, 3).
    """
    flat = scored.ravel()
    bins = bins_of(flat)
    sums = (
        np.bincount(bins, minlength=BINS),
        np.bincount(bins, weights=flat, minlength=BINS),
        np.bincount(bins[real.ravel()], minlength=BINS),
    )
    return np.stack(sums, axis=1).astype(np.float64)


def calibration_error(real: NDArray[np.bool_], scored: NDArray[np.floating]) -> float:
    """Gap between probability and frequency, averaged over the cases in `BINS` bins.

    Args:
        real: Whether a case is of the class, (n,).
        scored: Its probability, (n,), in [0, 1].

    References:
        Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; each class against the rest
        after Nixon et al. 2019, arXiv:1904.01685.
    """
    return reliability(real, scored).ece


def bins_of(scored: NDArray[np.floating]) -> NDArray[np.intp]:
    """The bin of each probability; one that rounding put outside [0, 1] is inside."""
    return np.clip((scored * BINS).astype(np.intp), 0, BINS - 1)
