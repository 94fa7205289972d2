"""Small pictures inside a page, and contours that lie exactly on them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segx.geometry import Extent
from segx.scans.boundary import Ring, Tracer
from segx.scans.resize import resize_image

__all__ = [
    "LONGEST_SIDE",
    "Contour",
    "Line",
    "Picture",
    "contour",
    "shrunk",
    "thumbnail",
]

LONGEST_SIDE = 400
"""Most pixels of a picture's longer side."""

_QUALITY = 82
_MOST_CORNERS = 8000  # of one contour; each takes five characters or six
_FINE = 160  # pixels of the longer side, below which they are shown as squares


@dataclass(frozen=True, slots=True)
class Line:
    """How a contour is drawn: by colour and by dashes, so that either tells it.

    Args:
        name: What it stands for, in the legend.
        colour: CSS colour.
        dashes: Lengths of dashes and gaps as in SVG; ``none`` for a solid line.
    """

    name: str
    colour: str
    dashes: str = "none"


@dataclass(frozen=True, slots=True)
class Contour:
    """The outline of an area of a picture, as an SVG path in the picture's pixels."""

    line: Line
    path: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with contours.

    Args:
        source: The pixels, as a ``data:`` address.
        extent: Size in pixels.
        contours: Drawn over it, in order.
        title: Its name.
        details: What is known about it, a line each.
    """

    source: str
    extent: Extent
    contours: Sequence[Contour]
    title: str
    details: Sequence[str] = ()

    @property
    def is_coarse(self) -> bool:
        """Whether single pixels are meant to be seen."""
        return max(self.extent.rows, self.extent.cols) < _FINE


def shrunk(extent: Extent, *, most: int = LONGEST_SIDE) -> Extent:
    """The size that an image is shown at: its own, or `most` px on the longer side.

    Examples:
        >>> print(shrunk(Extent(800, 300), most=400))
        400x150
    """
    scale = min(1.0, most / max(extent.rows, extent.cols))
    return Extent(
        max(1, round(extent.rows * scale)), max(1, round(extent.cols * scale))
    )


def thumbnail(image: NDArray[np.uint8]) -> str:
    """An RGB image of shape (rows, cols, 3), shrunk, as a ``data:`` address."""
    size = shrunk(Extent(*image.shape[:2]))
    file = io.BytesIO()
    Image.fromarray(resize_image(image, size)).save(
        file, format="WEBP", quality=_QUALITY
    )
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def contour(area: NDArray[np.bool_], line: Line) -> Contour | None:
    """The outline of the true pixels of (rows, cols), exact to the pixel's edge.

    An outline too long for a page is drawn of every second pixel, or every fourth, ….

    Returns:
        None where no pixel is true.
    """
    step = 1
    while _corners(area[::step, ::step]) > _MOST_CORNERS:
        step *= 2
    drawn = area[::step, ::step]
    tracer = Tracer(drawn.shape[1])
    outlines = [*tracer.add(drawn), *tracer.finish()]
    path = "".join(_ring(ring, step) for item in outlines for ring in item.rings)
    return Contour(line, path) if path else None


def _corners(area: NDArray[np.bool_]) -> int:
    """Number of corners that all rings together have."""
    framed = np.pad(area, 1)
    first, second = framed[:-1, :-1], framed[:-1, 1:]
    third, fourth = framed[1:, :-1], framed[1:, 1:]
    single = first ^ second ^ third ^ fourth
    crossed = (first == fourth) & (second == third) & (first != second)
    return int(np.count_nonzero(single)) + 2 * int(np.count_nonzero(crossed))


def _ring(ring: Ring, step: int) -> str:
    """A closed line; its edges are horizontal and vertical in turn."""
    (col, row), *others = [(step * col, step * row) for col, row in ring]
    parts = [f"M{col} {row}"]
    for to_col, to_row in others:
        parts.append(f"h{to_col - col}" if to_row == row else f"v{to_row - row}")
        col, row = to_col, to_row
    return "".join(parts) + "z"
