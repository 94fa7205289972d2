"""The channels that an image has, and those that a model reads."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError

__all__ = ["match_channels"]


def match_channels(array: NDArray[Any], channels: int, *, source: Path) -> NDArray[Any]:
    """Give an image the number of channels that a model reads, where nothing is lost.

    Grey becomes three equal channels, three equal channels become grey, and an alpha
    channel that is opaque everywhere is dropped.

    Args:
        array: Shape (rows, cols, channels as stored).
        channels: Number of channels wanted.
        source: The file that an error names.

    Raises:
        ScanError: If something would be lost or made up.
    """
    found = array.shape[2]
    if found == channels:
        return array
    if found in (2, 4) and channels in (1, 3):
        array = _without_alpha(array, source=source)
    stored = array.shape[2]
    if stored == channels:
        return array
    if stored == 1 and channels == 3:
        return np.repeat(array, 3, axis=2)
    if stored == 3 and channels == 1 and (array == array[..., :1]).all():
        return array[..., :1]
    raise ScanError(
        f"{source} has {found} channels, and the model reads {channels}. Convert the "
        "image, or take a model that was trained on such images."
    )


def _without_alpha(array: NDArray[Any], *, source: Path) -> NDArray[Any]:
    """Drop an alpha channel that says nothing."""
    alpha = array[..., -1]
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else 1
    if not (alpha == opaque).all():
        raise ScanError(
            f"{source} has a transparent alpha channel: values from {alpha.min()} to "
            f"{alpha.max()}, where {opaque} is opaque. Flatten the image first."
        )
    return array[..., :-1]
