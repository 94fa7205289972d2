"""Where training crops are cut: on foreground as often as asked, else anywhere."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segx.boxes import Detections
from segx.geometry import Extent, Region
from segx.labels import Labels

__all__ = ["ForegroundPixels", "cut", "cut_objects", "place_crop"]

_KEPT_PIXELS = 512

_LEAST_SHARE = 0.25
_LEAST_SIDE = 2
"""An object of which less is left in a crop, of its area or in pixels of a side, is
not to be found there."""


class ForegroundPixels:
    """A few pixels of each foreground class of a mask, to put crops on.

    At most 512 pixels a class are kept, drawn evenly, so that the memory does not grow
    with the size of a mask.

    Args:
        mask: Ids, shape (rows, cols), or 0/1 planes, shape (rows, cols, planes). A
            volume is given as one mask, its planes one below the other.
        labels: What the mask's values mean; the background and ignored pixels are no
            foreground.
        rng: Draws the pixels.
    """

    def __init__(
        self, mask: NDArray[np.uint8], labels: Labels, *, rng: np.random.Generator
    ) -> None:
        self._cols = mask.shape[1]
        self._pixels: list[NDArray[np.integer[Any]]] = []
        smallest = np.min_scalar_type(mask.size)  # a process keeps those of all cases
        for plane, wanted in _foreground(mask, labels):
            pixels = np.flatnonzero(plane.ravel() == wanted)
            if len(pixels) > _KEPT_PIXELS:
                pixels = pixels[rng.integers(len(pixels), size=_KEPT_PIXELS)]
            if len(pixels):
                self._pixels.append(pixels.astype(smallest))

    def __bool__(self) -> bool:
        return bool(self._pixels)

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """Draw a class that is present, each as likely, then one of its pixels.

        Returns:
            Row and column.
        """
        of_class = self._pixels[rng.integers(len(self._pixels))]
        row, col = divmod(int(rng.choice(of_class)), self._cols)
        return row, col


def place_crop(
    extent: Extent,
    crop: Extent,
    *,
    centre: tuple[int, int] | None,
    rng: np.random.Generator,
) -> Region:
    """Place a crop in an image; one that is larger than the image surrounds it.

    Args:
        extent: Size of the image, in pixels.
        crop: Size of the crop, in pixels.
        centre: Row and column to put in the middle, as far as the border allows; None
            draws any place, each as likely.
        rng: Draws the place.

    Returns:
        The crop's place; it begins outside the image on an axis where it is larger.
    """
    at = centre or (None, None)
    top = _start(extent.rows, crop.rows, at[0], rng)
    left = _start(extent.cols, crop.cols, at[1], rng)
    return Region(top, left, crop.rows, crop.cols)


def cut(
    array: NDArray[Any],
    region: Region,
    *,
    outside: Literal["reflect", "edge"] = "reflect",
) -> NDArray[Any]:
    """Cut a region out of an array; what lies outside is the mirror image.

    Args:
        array: Shape (rows, cols, ...).
        region: May begin before the array and end after it.
        outside: ``edge`` repeats the border instead.

    Returns:
        Shape (region.rows, region.cols, ...), a copy.

    Examples:
        >>> cut(np.array([[1, 2, 3]]), Region(0, -2, 1, 6))
        array([[3, 2, 1, 2, 3, 2]])
    """
    rows, cols = array.shape[:2]
    inside = array[
        max(region.top, 0) : min(region.bottom, rows),
        max(region.left, 0) : min(region.right, cols),
    ]
    before = max(-region.top, 0), max(-region.left, 0)
    after = max(region.bottom - rows, 0), max(region.right - cols, 0)
    if not any(before + after):
        return inside.copy()
    around = [(before[0], after[0]), (before[1], after[1])]
    return np.pad(inside, around + [(0, 0)] * (array.ndim - 2), mode=outside)


def cut_objects(objects: Detections, region: Region) -> Detections:
    """The objects in a region, in its own pixels; slivers at its border are left out.

    Args:
        objects: Those of the whole image.
        region: May begin before the image and end after it.

    Examples:
        >>> cells = Detections.of([[0, 0, 4, 4], [0, 6, 4, 10]], [1, 2])
        >>> cut_objects(cells, Region(2, 1, 5, 5)).boxes.tolist()
        [[0.0, 0.0, 3.0, 2.0]]
    """
    moved = objects.shifted(rows=-region.top, cols=-region.left)
    ends = np.array([region.cols, region.rows] * 2, np.float32)
    left = Detections(np.clip(moved.boxes, 0, ends), objects.classes, objects.scores)
    before, after = (item.boxes[:, 2:] - item.boxes[:, :2] for item in (moved, left))
    wide = (after >= np.minimum(before, _LEAST_SIDE)).all(axis=1)
    return left.taken(
        wide & (left.areas >= _LEAST_SHARE * moved.areas) & (left.areas > 0)
    )


def _start(size: int, crop: int, centre: int | None, rng: np.random.Generator) -> int:
    """First row (or column) of a crop."""
    if crop >= size:
        return (size - crop) // 2
    if centre is None:
        return int(rng.integers(size - crop + 1))
    return min(max(centre - crop // 2, 0), size - crop)


def _foreground(
    mask: NDArray[np.uint8], labels: Labels
) -> Sequence[tuple[NDArray[np.uint8], int]]:
    """Each plane with the value that is foreground in it."""
    if labels.kind == "multilabel":
        return [(mask[..., plane], 1) for plane in range(mask.shape[2])]
    present = np.unique(mask)  # np.bincount would make eight bytes of each
    return [(mask, int(i)) for i in present if i not in {0, labels.ignore_index}]
