"""An image at another size: the one rule for training and for inference."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segx.geometry import Extent

__all__ = ["nearest", "resize_image", "resize_mask"]


def resize_image(image: NDArray[Any], extent: Extent) -> NDArray[Any]:
    """Resize by linear interpolation, with antialiasing where the image shrinks.

    Args:
        image: Shape (rows, cols, channels), any type.
        extent: The size wanted.

    Returns:
        Shape (rows, cols, channels) at the new size, same type; whole numbers are
        rounded.

    Examples:
        >>> half = resize_image(np.ones((8, 8, 3), np.float32), Extent(4, 4))
        >>> half.shape, float(half.min())
        ((4, 4, 3), 1.0)
    """
    if image.shape[:2] == (extent.rows, extent.cols):
        return image
    resized = np.empty((extent.rows, extent.cols, image.shape[2]), np.float32)
    for channel in range(image.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(image[..., channel], np.float32))
        scaled = plane.resize((extent.cols, extent.rows), Image.Resampling.BILINEAR)
        resized[..., channel] = np.asarray(scaled)
    if image.dtype.kind == "f":
        return resized.astype(image.dtype, copy=False)
    # float32 may reach beyond the largest whole numbers of 32 bits.
    limits = np.iinfo(image.dtype)
    rounded = np.rint(resized.astype(np.float64)).clip(limits.min, limits.max)
    return np.asarray(rounded, image.dtype)


def resize_mask(mask: NDArray[np.uint8], extent: Extent) -> NDArray[np.uint8]:
    """Resize ids by the nearest pixel: no value appears that was not there.

    Args:
        mask: Ids, shape (rows, cols) or (rows, cols, classes).
        extent: The size wanted.
    """
    rows = nearest(mask.shape[0], extent.rows)
    cols = nearest(mask.shape[1], extent.cols)
    return mask[rows[:, np.newaxis], cols]


def nearest(stored: int, wanted: int) -> NDArray[np.intp]:
    """Index of the pixel in which each new pixel's centre lies.

    Examples:
        >>> nearest(6, 2).tolist()
        [1, 4]
    """
    centres = (np.arange(wanted) + 0.5) * (stored / wanted)
    return np.minimum(centres.astype(np.intp), stored - 1)
