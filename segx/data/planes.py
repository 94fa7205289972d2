"""How large the planes of volumes are when a network learns from them."""

import logging
from collections.abc import Sequence

import numpy as np

from segx.geometry import Extent

__all__ = [
    "SMALL_PLANE_PX",
    "are_small",
    "enlarged",
    "limited_crop",
    "padded_pixels",
    "scaled",
]

logger = logging.getLogger(__name__)

SMALL_PLANE_PX = 128
"""Planes of volumes whose longer side is below are enlarged to it."""

_MULTIPLE = 32


def are_small(planes: Sequence[Extent]) -> bool:
    """Whether `enlarged` has a larger size for these planes."""
    median = _median(planes)
    return max(median.rows, median.cols) < SMALL_PLANE_PX


def enlarged(planes: Sequence[Extent]) -> Extent | None:
    """A larger size for small planes, at about the proportions of the median one.

    Encoders halve a plane five times: of an organ of ten pixels, nothing is left.

    Args:
        planes: Size of the planes of each training volume, in pixels.

    Returns:
        A size to resize all planes to, or None where they are large enough.

    Examples:
        >>> enlarged([Extent(50, 35), Extent(51, 35), Extent(59, 33)])
        Extent(rows=128, cols=96)
    """
    if not are_small(planes):
        return None
    median = _median(planes)
    larger = scaled(median, SMALL_PLANE_PX / max(median.rows, median.cols))
    logger.info(
        "Half of the planes have no more than %s px: all are resized to %s px "
        "(data.resize); masks keep their own size.",
        median,
        larger,
    )
    return larger


def scaled(extent: Extent, factor: float) -> Extent:
    """A multiple of a size, each side rounded to what a network can halve five times.

    Examples:
        >>> scaled(Extent(51, 35), 2.5)
        Extent(rows=128, cols=96)
    """
    return Extent(
        max(1, round(extent.rows * factor / _MULTIPLE)) * _MULTIPLE,
        max(1, round(extent.cols * factor / _MULTIPLE)) * _MULTIPLE,
    )


def limited_crop(crop: Extent, planes: Sequence[Extent], *, batch_size: int) -> Extent:
    """A crop no larger than the median plane.

    The rest would be mirror images, which turn the anatomy around. Networks pad to what
    they can halve by themselves.

    Args:
        crop: The crop asked for, in pixels.
        planes: Size of the planes of each training volume, in pixels.
        batch_size: Number of crops in a batch; the log says how many smaller ones cost
            the same.

    References:
        The median size after Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """
    median = _median(planes)
    limited = Extent(min(crop.rows, median.rows), min(crop.cols, median.cols))
    if limited != crop:
        logger.info(
            "Crops have %s px as planes have, not %s: a step costs the same with "
            "data.batch_size %d.",
            limited,
            crop,
            batch_size * crop.pixels // padded_pixels(limited),
        )
    return limited


def padded_pixels(extent: Extent) -> int:
    """Pixels that a network computes for a plane: of small ones, padding is a part.

    Examples:
        >>> padded_pixels(Extent(35, 51))
        4096
    """
    rows, cols = (-(-side // _MULTIPLE) for side in (extent.rows, extent.cols))
    return rows * cols * _MULTIPLE**2


def _median(sizes: Sequence[Extent]) -> Extent:
    rows = np.median([size.rows for size in sizes])
    cols = np.median([size.cols for size in sizes])
    return Extent(int(rows), int(cols))
