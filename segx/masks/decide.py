"""Probabilities become labels."""

import numpy as np
from numpy.typing import NDArray

from segx.errors import ModelError
from segx.labels import Labels

__all__ = ["decide"]

_THRESHOLD = 0.5


def decide(probabilities: NDArray[np.float32], labels: Labels) -> NDArray[np.uint8]:
    """Take the most probable class, or each class that is at least as likely as not.

    Args:
        probabilities: In [0, 1], shape (classes, rows, cols); one class for binary
            masks.
        labels: What the classes are.

    Returns:
        Ids, shape (rows, cols); for multilabel masks 0 and 1, shape (rows, cols,
        classes). Of equally probable classes, the one with the lower id is taken.

    Raises:
        ModelError: If the number of classes is not the labels'.

    Examples:
        >>> labels = Labels("binary", ("background", "cell"))
        >>> decide(np.array([[[0.2, 0.7]]], np.float32), labels).tolist()
        [[0, 1]]
    """
    if len(probabilities) != labels.logits:
        raise ModelError(
            f"Probabilities of {len(probabilities)} classes were given; {labels.kind} "
            f"labels {list(labels.names)} have {labels.logits}."
        )
    if labels.kind == "multiclass":
        return np.asarray(probabilities.argmax(axis=0), np.uint8)
    chosen = (probabilities >= _THRESHOLD).astype(np.uint8)
    return chosen[0] if labels.kind == "binary" else np.moveaxis(chosen, 0, 2)
