"""How unsure probabilities are, pixel by pixel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.labels import Labels

__all__ = ["entropy"]

_LEAST = np.float32(1e-7)


def entropy(probabilities: NDArray[np.float32], labels: Labels) -> NDArray[np.float32]:
    """Normalised entropy: 0 where one answer is certain, 1 where all are as likely.

    For binary masks of the one probability; for multilabel masks the largest entropy of
    a class.

    Args:
        probabilities: In [0, 1], shape (classes, rows, cols).
        labels: What the classes are.

    Returns:
        Shape (rows, cols), in [0, 1].

    References:
        Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x.

    Examples:
        >>> labels = Labels("binary", ("background", "cell"))
        >>> entropy(np.array([[[0.0, 0.5]]], np.float32), labels).round(3).tolist()
        [[0.0, 1.0]]
    """
    if labels.kind == "multiclass":
        certain = np.log2(len(probabilities))
        bits: NDArray[Any] = _surprise(probabilities).sum(axis=0) / certain
    else:
        both = _surprise(probabilities) + _surprise(1 - probabilities)
        bits = both.max(axis=0)
    return np.asarray(bits.clip(0, 1), np.float32)


def _surprise(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """−p log₂ p, which is 0 at 0."""
    surprise: NDArray[np.float32] = -share * np.log2(np.maximum(share, _LEAST))
    return surprise
