"""The eight ways to look at a square, for averages over test-time flips and turns."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segx.boxes import Detections
from segx.geometry import Extent

__all__ = ["VIEWS", "Views", "seen", "unseen", "unseen_boxes"]

Views = Literal["none", "flips", "all"]

VIEWS: dict[Views, tuple[int, ...]] = {
    "none": (0,),
    "flips": (0, 1, 2, 3),
    "all": tuple(range(8)),
}
"""What ``--tta`` may be; a view is a number whose bits are: rows, columns, swapped."""


def seen(tiles: NDArray[Any], view: int) -> NDArray[Any]:
    """Look at tiles, shape (n, channels, rows, cols), in one of the eight ways."""
    if view & 1:
        tiles = tiles[:, :, ::-1]
    if view & 2:
        tiles = tiles[:, :, :, ::-1]
    return np.ascontiguousarray(tiles.swapaxes(2, 3) if view & 4 else tiles)


def unseen(tiles: NDArray[Any], view: int) -> NDArray[Any]:
    """Turn back what `seen` did."""
    if view & 4:
        tiles = tiles.swapaxes(2, 3)
    if view & 1:
        tiles = tiles[:, :, ::-1]
    if view & 2:
        tiles = tiles[:, :, :, ::-1]
    return np.ascontiguousarray(tiles)


def unseen_boxes(found: Detections, view: int, extent: Extent) -> Detections:
    """Turn boxes back that were found in what `seen` gave.

    Args:
        found: In pixels of what was seen.
        view: In which of the eight ways.
        extent: Size of the image itself.

    Examples:
        >>> found = Detections.of([[0, 1, 2, 4]], [1])
        >>> unseen_boxes(found, 2, Extent(5, 10)).boxes.tolist()
        [[8.0, 1.0, 10.0, 4.0]]
    """
    boxes = found.boxes
    if view & 4:
        boxes = boxes[:, [1, 0, 3, 2]]
    left, top, right, bottom = boxes.T
    if view & 1:
        top, bottom = extent.rows - bottom, extent.rows - top
    if view & 2:
        left, right = extent.cols - right, extent.cols - left
    turned = np.stack([left, top, right, bottom], axis=1)
    return Detections(turned, found.classes, found.scores)
