"""What is kept of each case until it is known which ones are worth a look."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.errors import SegxError
from segx.geometry import Extent
from segx.labels import Labels
from segx.metrics.overlap import class_masks
from segx.pages import Contour, Line, Picture, contour, shrunk, thumbnail
from segx.pages.glance import glance
from segx.scans.intensity import Intensity
from segx.scans.resize import resize_mask

__all__ = ["FALSE", "MISSED", "RIGHT", "Look", "Sketch", "draw", "sketch"]

# Okabe and Ito's sky blue, vermillion and yellow; dashes tell them on grey paper too.
RIGHT = Line("right: truth and prediction (TP)", "#56b4e9")
FALSE = Line("predicted, not true (FP)", "#d55e00", "5 3")
MISSED = Line("true, not predicted (FN)", "#f0e442", "1.5 2.5")

_NO_IMAGE = 40  # the grey that contours stand on where no image is known


@dataclass(frozen=True, slots=True)
class Look:
    """How images are shown.

    Args:
        axis: Axis along which a volume is cut into planes.
        intensity: The scale that the model reads them with; None shows 8 bits as they
            are, and others from the least to the greatest value.
    """

    axis: int = 0
    intensity: Intensity | None = None


@dataclass(frozen=True, slots=True)
class Sketch:
    """The plane of a case that holds most of the truth and the prediction, small.

    Args:
        case: Name of the case.
        image: Its file; None where only masks are known.
        extent: Size of the plane, in pixels.
        plane: Its number, from 0.
        planes: Number of planes.
        masks: Truth and prediction at the size of a picture, compressed.
    """

    case: str
    image: Path | None
    extent: Extent
    plane: int
    planes: int
    masks: bytes


def sketch(
    case: str,
    truth: NDArray[np.uint8],
    predicted: NDArray[np.uint8],
    *,
    labels: Labels,
    image: Path | None = None,
) -> Sketch:
    """Keep what may be drawn of a case: some kilobytes.

    Args:
        case: Name of the case.
        truth: Ids, shape ([planes, ]rows, cols), for multilabel masks with a last axis
            for the classes.
        predicted: The same shape.
        labels: What the ids mean.
        image: The file that the masks are of, if it is at hand.
    """
    if truth.ndim == (3 if labels.kind == "multilabel" else 2):
        truth, predicted = truth[np.newaxis], predicted[np.newaxis]
    filled = [
        np.count_nonzero(((real > 0) | (named > 0)) & (real != labels.ignore_index))
        for real, named in zip(truth, predicted, strict=True)
    ]
    plane = int(np.argmax(filled)) if any(filled) else len(truth) // 2
    extent = Extent(*truth.shape[1:3])
    size = shrunk(extent)
    small = np.stack(
        [resize_mask(truth[plane], size), resize_mask(predicted[plane], size)]
    )
    return Sketch(
        case, image, extent, plane, len(truth), zlib.compress(small.tobytes(), 1)
    )


def draw(kept: Sketch, *, labels: Labels, look: Look, details: list[str]) -> Picture:
    """The image with contours of what is right, false and missed.

    Where the image can't be read any more, the contours stand alone.
    """
    size = shrunk(kept.extent)
    classes = (len(labels.names),) if labels.kind == "multilabel" else ()
    flat = np.frombuffer(zlib.decompress(kept.masks), np.uint8)
    truth, predicted = flat.reshape(2, size.rows, size.cols, *classes)
    return Picture(
        source=thumbnail(_pixels(kept, size, look)),
        extent=size,
        contours=_contours(truth, predicted, labels),
        title=kept.case,
        details=[*details, _size(kept, size)],
    )


def _pixels(kept: Sketch, size: Extent, look: Look) -> NDArray[np.uint8]:
    blank = np.full((size.rows, size.cols, 3), _NO_IMAGE, np.uint8)
    if kept.image is None:
        return blank
    try:
        found = glance(
            kept.image, plane=kept.plane, axis=look.axis, intensity=look.intensity
        )
    except SegxError:
        return blank
    return found if found.shape == blank.shape else blank


def _contours(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], labels: Labels
) -> list[Contour]:
    """Each class by itself: what is taken for another one is false and missed."""
    areas = [
        (area, line)
        for real, named in class_masks(truth, predicted, labels)
        for area, line in (
            (real & named, RIGHT),
            (named & ~real, FALSE),
            (real & ~named, MISSED),
        )
    ]
    drawn = [contour(area, line) for area, line in areas]
    return [item for item in drawn if item is not None]


def _size(kept: Sketch, size: Extent) -> str:
    """Which plane is shown, and how much smaller than it is."""
    parts = [f"{kept.extent} px"]
    if kept.planes > 1:
        parts.insert(0, f"plane {kept.plane + 1} of {kept.planes}")
    if size != kept.extent:
        parts.append(f"shown at 1:{kept.extent.cols / size.cols:.2g}")
    return ", ".join(parts)
