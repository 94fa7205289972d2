"""Pictures stay small, and contours lie exactly around their areas."""

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from segx.geometry import Extent
from segx.pages import Line, contour, shrunk, thumbnail
from segx.pages.pictures import LONGEST_SIDE

LINE = Line("cell", "#000000")

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda size: arrays(np.bool_, size)
)


def enclosed(path: str) -> float:
    """The area inside a path, holes left out: the shoelace formula."""
    total = 0.0
    for ring in path.split("z")[:-1]:
        x, y = (int(item) for item in re.match(r"M(\d+) (\d+)", ring).groups())
        first, area = (x, y), 0
        for way, length in re.findall(r"([hv])(-?\d+)", ring):
            before = (x, y)
            x, y = (x + int(length), y) if way == "h" else (x, y + int(length))
            area += before[0] * y - x * before[1]
        area += x * first[1] - first[0] * y
        assert x == first[0] or y == first[1], "the last edge is straight"
        total += area / 2
    return abs(total)


@given(masks)
def test_a_contour_encloses_each_pixel_of_its_area_and_no_other(
    area: np.ndarray,
) -> None:
    drawn = contour(area, LINE)
    if drawn is None:
        assert not area.any()
    else:
        assert enclosed(drawn.path) == area.sum()


def test_the_longest_contour_is_drawn_more_coarsely() -> None:
    rows, cols = np.indices((LONGEST_SIDE, LONGEST_SIDE))
    board = (rows + cols) % 2 == 0
    noise = np.random.default_rng(0).random((LONGEST_SIDE, LONGEST_SIDE)) < 0.5
    for area in (board, noise):
        drawn = contour(area, LINE)
        assert drawn is not None
        assert len(drawn.path) <= 50_000


@given(rows=st.integers(1, 5000), cols=st.integers(1, 5000))
def test_a_picture_keeps_its_shape_and_has_a_bound(rows: int, cols: int) -> None:
    small = shrunk(Extent(rows, cols))
    assert max(small.rows, small.cols) == min(max(rows, cols), LONGEST_SIDE)
    scale = max(small.rows, small.cols) / max(rows, cols)
    assert small.rows == max(1, round(rows * scale))
    assert small.cols == max(1, round(cols * scale))


@pytest.mark.parametrize("size", [(1, 1), (30, 20), (1000, 700)])
def test_a_thumbnail_is_the_image_shrunk(size: tuple[int, int]) -> None:
    rows, cols = np.indices(size)
    image = np.stack([rows, cols, rows + cols], 2) * (200 / (sum(size)))
    address = thumbnail(image.astype(np.uint8))
    stored = base64.b64decode(address.partition(",")[2])
    with Image.open(io.BytesIO(stored)) as shown:
        small = shrunk(Extent(*size))
        assert shown.size == (small.cols, small.rows)
        again = np.asarray(shown.resize(size[::-1]), float)
    assert np.abs(again - image).mean() < 4


def test_even_noise_stays_small_and_gives_the_same_bytes() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)
    first, second = thumbnail(noise), thumbnail(noise)
    assert first == second
    assert len(first) < 250_000
