"""Logits become probabilities."""

import numpy as np
from numpy.typing import NDArray

from segx.errors import ModelError
from segx.labels import Labels

__all__ = ["softmax", "to_probabilities"]


def to_probabilities(
    logits: NDArray[np.float32], labels: Labels, *, axis: int = 0
) -> NDArray[np.float32]:
    """Apply softmax where classes exclude each other, and else a sigmoid.

    Args:
        logits: Any shape; `axis` holds the classes (one for binary masks).
        labels: Says whether classes exclude each other.
        axis: Where the classes are.

    Returns:
        The same shape, in [0, 1].

    Raises:
        ModelError: If the number of classes is not the labels', or a logit is not
            finite.
    """
    if logits.shape[axis] != labels.logits:
        raise ModelError(
            f"The network puts out {logits.shape[axis]} logits a pixel; {labels.kind} "
            f"labels {list(labels.names)} need {labels.logits}. Load the model that "
            "belongs to these labels."
        )
    if not np.isfinite(logits).all():
        share = 1 - np.isfinite(logits).mean()
        raise ModelError(
            f"{share:.1%} of the network's logits are NaN or infinite. Its weights "
            "have diverged, or half precision overflows: try fp32."
        )
    if labels.kind == "multiclass":
        return softmax(logits, axis=axis)
    # Through tanh, because exp(-x) overflows in float32 where x is below -88.
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), np.float32)


def softmax(logits: NDArray[np.float32], *, axis: int) -> NDArray[np.float32]:
    """Exponentials that sum to 1 along an axis."""
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True), np.float32)
