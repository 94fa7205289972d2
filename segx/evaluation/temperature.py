"""The temperature at which a model is as sure as it is right."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from segx.data.case import Case
from segx.data.reader import CaseReader
from segx.errors import DataError
from segx.inference.predictor import Predictor
from segx.labels import Labels
from segx.masks.activation import softmax
from segx.metrics.calibration import calibration_error

__all__ = [
    "Examples",
    "examples_of",
    "fit_temperature",
    "log_chances",
    "sample_pixels",
    "truth_of",
]

_PIXELS = 500_000  # of all cases together: 4 MB a class
_LEAST = 1e-7  # probabilities below are taken for it: float32 knows no less
# Cases that are told apart without a mistake would drive the temperature to 0.
_RANGE = (0.25, 10.0)


class Examples(NamedTuple):
    """Pixels, or images, with their truth.

    Args:
        logits: Shape (n, classes); for sigmoids two classes, the first of logit 0.
        truth: Ids, shape (n,).
    """

    logits: NDArray[np.float32]
    truth: NDArray[np.integer]

    def error(self, temperature: float) -> float:
        """Expected calibration error at a temperature, averaged over the classes."""
        chances = softmax(self.logits / np.float32(temperature), axis=1)
        ids = range(1 if chances.shape[1] == 2 else 0, chances.shape[1])
        errors = (calibration_error(self.truth == k, chances[:, k]) for k in ids)
        return float(np.mean(list(errors)))


def fit_temperature(examples: Examples) -> float:
    """The temperature at which the truth is likeliest.

    The likelihood has one maximum: its logarithm is concave in 1 / temperature.

    References:
        Guo et al. 2017, arXiv:1706.04599.
    """

    def surprise(log_temperature: float) -> float:
        scaled = examples.logits / np.exp(np.float32(log_temperature))
        scaled -= scaled.max(axis=1, keepdims=True)
        of_truth = scaled[np.arange(len(scaled)), examples.truth]
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - of_truth))

    found = minimize_scalar(surprise, bounds=np.log(_RANGE), method="bounded")
    return float(np.exp(found.x))


def sample_pixels(
    predictor: Predictor, cases: Iterable[Case], reader: CaseReader, *, total: int
) -> Examples:
    """Draw pixels of cases, as many of each, the same ones each time.

    Logits are taken from the blended probabilities: so they are what is tempered, and
    no more of a case than a band is in memory.

    Args:
        predictor: A model that is not tempered.
        cases: The cases.
        reader: Reads their masks.
        total: Number of cases.
    """
    rng = np.random.default_rng(0)
    parts: list[Examples] = []
    for case in cases:
        truth = truth_of(case, reader, predictor.labels)
        with predictor.open(*case.images) as scan:
            rate = _PIXELS / (total * scan.planes * scan.extent.pixels)
            for band in predictor.predict_probabilities(scan):
                ids = truth[band.plane][band.region.slices[0]]
                count = round(rate * band.region.rows * band.region.cols)
                row = rng.integers(0, band.region.rows, count)
                col = rng.integers(0, band.region.cols, count)
                chances = band.probabilities[:, row, col].T
                parts.append(examples_of(chances, ids[row, col], predictor.labels))
    return Examples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def truth_of(case: Case, reader: CaseReader, labels: Labels) -> NDArray[np.uint8]:
    """The mask of a case, with its planes first.

    Raises:
        DataError: If it has none.
    """
    mask = reader.mask(case)
    if mask is None:
        raise DataError(f"{case.image} has no mask to calibrate on.")
    of_plane = 3 if labels.kind == "multilabel" else 2
    return mask if mask.ndim > of_plane else mask[np.newaxis]


def examples_of(
    chances: NDArray[np.float32], ids: NDArray[np.integer], labels: Labels
) -> Examples:
    """Probabilities and truth of pixels, or of images, as one softmax has them.

    Args:
        chances: Shape (n, classes).
        ids: Shape (n,); for multilabel 0 and 1, (n, classes).
        labels: What they mean.
    """
    if labels.kind == "multiclass":
        logits = log_chances(chances)
    else:
        chances, ids = chances.ravel(), ids.ravel()
        odds = log_chances(chances) - log_chances(1 - chances)
        logits = np.stack([np.zeros_like(odds), odds], axis=1)
    if labels.ignore_index is not None:
        counted = ids != labels.ignore_index
        logits, ids = logits[counted], ids[counted]
    return Examples(logits, ids)


def log_chances(chances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of probabilities: those of a softmax, but for a constant."""
    logits: NDArray[np.float32] = np.log(chances.clip(_LEAST))
    return logits
