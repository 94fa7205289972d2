"""One case looked at closely: what its pixels and the objects in it are like."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segx.data.case import Case
from segx.data.reader import CaseReader
from segx.geometry import Extent
from segx.labels import Labels
from segx.scans import open_scan, resize_image
from segx.scans.sampling import spread_pixels

__all__ = ["Look", "look_at"]

_PIXELS = 4096
_THUMBNAIL = Extent(16, 16)


@dataclass(frozen=True)
class Look:
    """What one case is like.

    Args:
        pixels: Stored values of evenly spread pixels, shape (pixels, channels).
        foreground: The same of pixels that a mask marks; empty without any.
        thickness_px: Diameter of the largest circle that fits into an object, the
            largest of all classes, in pixels; 0 without objects.
        thumbnail: The (middle) plane in grey, of mean 0 and norm 1; shape (16, 16).
        spacing_mm: Distance of planes, rows and columns; None where a file is silent
            or no volume.
    """

    pixels: NDArray[Any]
    foreground: NDArray[Any]
    thickness_px: float
    thumbnail: NDArray[np.float32]
    spacing_mm: tuple[float, float, float] | None


def look_at(case: Case, reader: CaseReader) -> Look:
    """Read a case and look at it.

    Raises:
        ScanError: If a file can't be read.
        DataError: If it holds what the survey did not find.
    """
    with open_scan(case.image, axis=reader.axis) as scan:
        space, is_volume = scan.space, scan.planes > 1
    image, mask = reader.image(case), reader.mask(case)
    planes = image if is_volume else image[np.newaxis]
    marked, thickness = planes[:0, 0, 0], 0.0
    if mask is not None and reader.mask_values is not None:
        masks = mask if is_volume else mask[np.newaxis]
        classes = _class_planes(masks, reader.mask_values.labels)
        marked = planes[np.logical_or.reduce(classes)]
        thickness = max(_thickness(volume) for volume in classes)
    return Look(
        pixels=_spread(planes),
        foreground=_spread(marked[np.newaxis, np.newaxis]),
        thickness_px=thickness,
        thumbnail=_thumbnail(planes[len(planes) // 2]),
        spacing_mm=space.spacing_mm if space and is_volume else None,
    )


def _class_planes(masks: NDArray[np.uint8], labels: Labels) -> list[NDArray[np.bool_]]:
    """Where each foreground class is, shape (planes, rows, cols) each."""
    if labels.kind == "multilabel":
        return [masks[..., index] == 1 for index in range(len(labels.names))]
    return [masks == index for index in range(1, len(labels.names))]


def _thickness(volume: NDArray[np.bool_]) -> float:
    """Diameter of the largest circle inside, in the plane with most of the class."""
    plane = volume[int(volume.sum(axis=(1, 2)).argmax())]
    distance = cv2.distanceTransform(
        plane.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    # A plane without any background is as thick as it is long.
    return min(2.0 * float(distance.max()), float(max(plane.shape)))


def _thumbnail(plane: NDArray[Any]) -> NDArray[np.float32]:
    grey = plane.astype(np.float32).mean(axis=2, keepdims=True)
    small: NDArray[np.float32] = resize_image(grey, _THUMBNAIL)[..., 0]
    centred: NDArray[np.float32] = small - small.mean()
    norm = np.linalg.norm(centred)
    if norm > 0:
        centred /= norm
    return centred


def _spread(planes: NDArray[Any]) -> NDArray[Any]:
    """Evenly spread pixels of planes, shape (pixels, channels)."""
    total = math.prod(planes.shape[:3])
    if not total:
        return np.empty((0, planes.shape[3]), planes.dtype)
    return spread_pixels(planes, total=total, most=_PIXELS)
