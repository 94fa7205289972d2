"""Is a faster engine as good? The share of pixels that it decides otherwise."""

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from segx.inference.runtimes import Runtime
from segx.labels import Labels

__all__ = ["PARITY_LIMIT", "flipped_on", "flipped_share", "parity"]

PARITY_LIMIT = 0.005
"""Largest share of pixels that may be decided otherwise than in torch fp32."""

_logger = logging.getLogger(__name__)


def parity(
    runtime: Runtime,
    reference: Runtime,
    tiles: NDArray[np.float32],
    labels: Labels | None,
) -> float | None:
    """The share of pixels that an engine decides like the reference, if it is enough.

    Args:
        runtime: The engine that shall be used.
        reference: The engine that is trusted, in float32.
        tiles: A few tiles of the scan, as the network reads them, shape (n, channels,
            rows, cols).
        labels: What the logits mean; None for a classifier.

    Returns:
        None if more than `PARITY_LIMIT` of the pixels are decided otherwise; that is
        logged as a warning.
    """
    if runtime is reference or not len(tiles):
        return 1.0
    share = flipped_share(runtime.run(tiles), reference.run(tiles), labels)
    if share <= PARITY_LIMIT:
        return 1 - share
    what = "images" if labels is None else "pixels"
    count = f"{len(tiles)} tile{'s' if len(tiles) > 1 else ''}"
    _logger.warning(
        "%s is not used: %.2f%% of the %s of %s are decided otherwise than by %s, and "
        "%.1f %% may be. Another is taken, which is exact and slower.",
        runtime.about,
        100 * share,
        what,
        count,
        reference.about,
        100 * PARITY_LIMIT,
    )
    return None


def flipped_on(
    runtime: Runtime,
    reference: Runtime,
    tiles: Iterable[NDArray[np.float32]],
    labels: Labels | None,
) -> float:
    """The mean of `flipped_share` over tiles that may differ in size.

    Args:
        runtime: The engine in question.
        reference: The engine that is trusted.
        tiles: Shape (channels, rows, cols) each; one or more.
        labels: What the logits mean; None for a classifier.
    """
    shares = [
        flipped_share(
            runtime.run(tile[np.newaxis]), reference.run(tile[np.newaxis]), labels
        )
        for tile in tiles
    ]
    return float(np.mean(shares))


def flipped_share(
    logits: NDArray[np.float32],
    reference: NDArray[np.float32],
    labels: Labels | None,
) -> float:
    """The share of pixels, of images for a classifier, that are decided otherwise.

    A pixel whose logits are NaN or infinite counts as decided otherwise.

    Args:
        logits: Shape (n, classes, …).
        reference: The logits to compare with, of the same shape.
        labels: What the logits mean; None for a classifier.

    Returns:
        In [0, 1].

    Examples:
        >>> one = np.array([[[[-1.0, 2.0, 3.0, 0.1]]]], np.float32)
        >>> two = np.array([[[[-1.0, 2.0, 3.0, -0.1]]]], np.float32)
        >>> flipped_share(one, two, Labels("binary", ("background", "cell")))
        0.25
    """
    if labels is None or labels.kind == "multiclass":
        differ = logits.argmax(axis=1) != reference.argmax(axis=1)
    else:
        differ = ((logits >= 0) != (reference >= 0)).any(axis=1)
    broken = ~np.isfinite(logits).all(axis=1)
    return float(np.mean(differ | broken))
