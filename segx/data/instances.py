"""The boxes of the objects in an instance mask, where each object has its own id."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["boxes_of_ids"]

_MOST_IDS = 2**16
"""Ids are numbered anew above it, for a place is kept for each number below."""


def boxes_of_ids(ids: NDArray[np.integer]) -> NDArray[np.int64]:
    """The least box around the pixels of each id; 0 is the background.

    Args:
        ids: Shape (rows, cols). The pixels of an id need not touch.

    Returns:
        Left, top, right and bottom, half-open, shape (objects, 4), by rising id.

    Examples:
        >>> boxes_of_ids(np.array([[0, 7, 7], [3, 0, 7]]))
        array([[0, 1, 1, 2],
               [1, 0, 3, 2]])
    """
    if ids.size and ids.max() >= _MOST_IDS:
        present, numbered = np.unique(ids, return_inverse=True)
        ids = numbered.reshape(ids.shape) + (present[0] != 0)
    places = ndimage.find_objects(ids.astype(np.int64))
    found = [
        (cols.start, rows.start, cols.stop, rows.stop)
        for rows, cols in (place for place in places if place is not None)
    ]
    return np.array(found, np.int64).reshape(-1, 4)
