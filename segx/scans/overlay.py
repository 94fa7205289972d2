"""A mask or boxes drawn over their image, to be looked at."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segx.atomic import replacing
from segx.errors import ScanError
from segx.labels import Labels
from segx.scans.damage import writing
from segx.scans.intensity import Intensity

__all__ = ["as_rgb", "draw_boxes", "draw_overlay", "write_png"]

_UNNAMED = (128, 128, 128)  # pixels that are ignored, or whose id has no name
# A contour is one pixel wide for each so many of the longer side.
_PIXELS_PER_LINE = 700


def draw_overlay(
    image: NDArray[Any],
    mask: NDArray[np.uint8],
    labels: Labels,
    *,
    alpha: float = 0.3,
    intensity: Intensity | None = None,
) -> NDArray[np.uint8]:
    """Draw each class as a translucent area inside a contour, in the class's colour.

    Args:
        image: Shape (rows, cols, channels), any type; see `as_rgb`.
        mask: Ids, shape (rows, cols); or 0 and 1, shape (rows, cols, classes), for
            multilabel masks.
        labels: What the mask's values mean, and their colours.
        alpha: Opacity of the areas, 0 … 1; contours are opaque.
        intensity: The scale that the image is shown with.

    Returns:
        RGB, shape (rows, cols, 3).

    Raises:
        ScanError: If image and mask are of different sizes.
    """
    if image.shape[:2] != mask.shape[:2]:
        raise ScanError(
            f"A mask of {mask.shape[:2]} px can't be drawn over an image of "
            f"{image.shape[:2]} px. Give both at the same size."
        )
    picture = as_rgb(image, intensity=intensity).astype(np.float32)
    width = _line_width(picture)
    for area, colour in _areas(mask, labels):
        paint = np.asarray(colour, np.float32)
        picture[area] += alpha * (paint - picture[area])
        picture[_contour(area, width=width)] = paint
    return np.rint(picture).astype(np.uint8)


def draw_boxes(
    picture: NDArray[np.uint8],
    boxes: NDArray[np.floating],
    ids: NDArray[np.integer],
    labels: Labels,
) -> NDArray[np.uint8]:
    """Draw the outline of each box in the colour of its class; later ones lie on top.

    Args:
        picture: RGB, shape (rows, cols, 3).
        boxes: Left, top, right and bottom in pixels of the picture, shape (n, 4); one
            that is narrower than a pixel is drawn as one.
        ids: The id of each box's class, shape (n,).
        labels: What the ids mean, and their colours.

    Returns:
        RGB, of the picture's shape.
    """
    drawn, width = picture.copy(), _line_width(picture)
    starts, ends = np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])
    corners = np.concatenate([starts, np.maximum(ends, starts + 1)], axis=1)
    for (left, top, right, bottom), number in zip(
        np.maximum(corners, 0).astype(int).tolist(), ids.tolist(), strict=True
    ):
        colour = labels.colours[number]
        drawn[top : min(top + width, bottom), left:right] = colour
        drawn[max(bottom - width, top) : bottom, left:right] = colour
        drawn[top:bottom, left : min(left + width, right)] = colour
        drawn[top:bottom, max(right - width, left) : right] = colour
    return drawn


def as_rgb(
    image: NDArray[Any], *, intensity: Intensity | None = None
) -> NDArray[np.uint8]:
    """Show an image of any type and number of channels as 8-bit RGB.

    Args:
        image: Shape (rows, cols, channels). The first three channels are red, green
            and blue; of one or two channels the first is shown as grey.
        intensity: The scale to show it with. Without one, 8-bit values are shown as
            they are, and others from the least to the greatest.

    Returns:
        Shape (rows, cols, 3).
    """
    if intensity is None:
        shown = image if image.dtype == np.uint8 else _stretch(image)
    else:
        shown = np.rint(intensity.unit(image) * 255).astype(np.uint8)
    return shown[..., :3] if image.shape[2] >= 3 else np.repeat(shown[..., :1], 3, 2)


def write_png(path: Path, array: NDArray[np.uint8]) -> None:
    """Write a picture, whole or not at all.

    Args:
        path: Where to; an older file stays until the new one is complete.
        array: Shape (rows, cols) or (rows, cols, 3).

    Raises:
        ScanError: If the file can't be written.
    """
    with writing(path), replacing(path) as temporary:
        # Level 3 takes less than half the time of the default, and 7 % more space.
        Image.fromarray(array).save(temporary, format="PNG", compress_level=3)


def _areas(
    mask: NDArray[np.uint8], labels: Labels
) -> list[tuple[NDArray[np.bool_], tuple[int, int, int]]]:
    """Each class that is there, as true pixels and a colour; background is left out."""
    if labels.kind == "multilabel":
        planes = np.moveaxis(mask, 2, 0).astype(np.bool_)
        return list(zip(planes, labels.colours, strict=True))
    colours = dict(enumerate(labels.colours))
    ids = [int(value) for value in np.unique(mask) if value != 0]
    return [(mask == value, colours.get(value, _UNNAMED)) for value in ids]


def _line_width(picture: NDArray[Any]) -> int:
    """Width in pixels of lines that are seen in a picture of that size."""
    longest: int = max(picture.shape[:2])
    return max(1, round(longest / _PIXELS_PER_LINE))


def _contour(area: NDArray[np.bool_], *, width: int) -> NDArray[np.bool_]:
    """The outermost pixels of an area, `width` px deep; the image's border is none."""
    core = area
    for _ in range(width):
        framed = np.pad(core, 1, mode="edge")
        core = (
            core
            & framed[:-2, 1:-1]
            & framed[2:, 1:-1]
            & framed[1:-1, :-2]
            & framed[1:-1, 2:]
        )
    return area & ~core


def _stretch(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Finite values, from the least to the greatest, as 0 … 255."""
    values = np.nan_to_num(image.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    scaled = (values - low) * (255 / (high - low) if high > low else 0.0)
    return np.asarray(np.rint(scaled), np.uint8)
