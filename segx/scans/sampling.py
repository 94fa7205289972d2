"""A few pixels of a scan, evenly spread over all of it, in one streamed pass."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Region
from segx.scans.scan import Scan

__all__ = ["in_bands", "spread_pixels"]

_BAND_PIXELS = 2**22


def in_bands(scan: Scan) -> Iterator[NDArray[Any]]:
    """Read all planes of a scan in bands that fit in memory, in reading order.

    Yields:
        Stored values, shape (rows, cols, channels).
    """
    rows, cols = scan.extent.rows, scan.extent.cols
    step = max(1, _BAND_PIXELS // cols)
    for plane in range(scan.planes):
        for top in range(0, rows, step):
            band = Region(top, 0, min(step, rows - top), cols)
            yield scan.read(band, plane=plane)


def spread_pixels(
    pieces: Iterable[NDArray[Any]], *, total: int, most: int
) -> NDArray[Any]:
    """Take evenly spread pixels of an image that comes in pieces.

    Which pixels are taken does not depend on how the image is cut.

    Args:
        pieces: The image in reading order, each of shape (rows, cols, channels).
        total: Number of pixels of all pieces.
        most: Most pixels to take.

    Returns:
        Stored values, shape (pixels, channels).

    Examples:
        >>> rows = [np.full((1, 3, 1), row) for row in range(4)]
        >>> spread_pixels(rows, total=12, most=5)[:, 0].tolist()
        [0, 0, 1, 2, 3]
    """
    wanted = np.linspace(0, total - 1, min(total, most)).astype(np.intp)
    taken, start = [], 0
    for piece in pieces:
        pixels = piece.reshape(-1, piece.shape[2])
        first, last = np.searchsorted(wanted, (start, start + len(pixels)))
        taken.append(pixels[wanted[first:last] - start])
        start += len(pixels)
    return np.concatenate(taken)
