import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segx.errors import ScanError
from segx.labels import Labels
from segx.scans.intensity import Intensity
from segx.scans.overlay import as_rgb, draw_boxes, draw_overlay, write_png
from tests.scans.pictures import colour

_LABELS = Labels("multiclass", ("background", "cytoplasm", "nucleus"), ignore_index=255)


def _mask() -> np.ndarray:
    mask = np.zeros((24, 30), np.uint8)
    mask[4:20, 4:20] = 1
    mask[8:14, 8:14] = 2
    return mask


def test_background_is_untouched_and_contours_have_the_colour_of_their_class() -> None:
    image, mask = colour(), _mask()
    drawn = draw_overlay(image, mask, _LABELS)
    assert np.array_equal(drawn[mask == 0], image[mask == 0])
    for row, col, label in ((4, 4, 1), (19, 10, 1), (8, 8, 2), (13, 10, 2)):
        assert tuple(drawn[row, col]) == _LABELS.colours[label]


def test_areas_are_mixed_by_their_opacity() -> None:
    image, mask = np.full((24, 30, 3), 100, np.uint8), _mask()
    for alpha in (0.0, 0.25, 1.0):
        drawn = draw_overlay(image, mask, _LABELS, alpha=alpha)
        expected = 100 + alpha * (np.array(_LABELS.colours[2]) - 100.0)
        assert np.allclose(drawn[10, 10], expected, atol=0.5)


def test_a_class_that_fills_the_image_has_no_contour() -> None:
    image = np.zeros((8, 8, 1), np.uint8)
    drawn = draw_overlay(image, np.ones((8, 8), np.uint8), _LABELS, alpha=0)
    assert not drawn.any()


def test_layers_are_drawn_over_each_other() -> None:
    labels = Labels("multilabel", ("a", "b"))
    mask = np.zeros((9, 9, 2), np.uint8)
    mask[1:6, 1:6, 0] = mask[3:8, 3:8, 1] = 1
    drawn = draw_overlay(np.zeros((9, 9, 1), np.uint8), mask, labels)
    assert tuple(drawn[1, 1]) == labels.colours[0]
    assert tuple(drawn[7, 7]) == labels.colours[1]


def test_ignored_pixels_are_grey() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[4, 4] = 255
    drawn = draw_overlay(np.zeros((9, 9, 3), np.uint8), mask, _LABELS)
    assert tuple(drawn[4, 4]) == (128, 128, 128)


def test_sizes_that_differ_are_refused() -> None:
    with pytest.raises(ScanError, match="can't be drawn over"):
        draw_overlay(colour(), np.zeros((5, 5), np.uint8), _LABELS)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, bool])
def test_any_image_can_be_shown(channels: int, dtype: type[np.generic]) -> None:
    random = np.random.default_rng(0)
    image = (random.random((5, 6, channels)) * 200).astype(dtype)
    shown = as_rgb(image)
    assert (shown.shape, shown.dtype) == ((5, 6, 3), np.uint8)


def test_values_without_a_scale_are_stretched_and_nan_is_no_reason_to_fail() -> None:
    image = np.array([[[100.0], [300.0], [np.nan]]], np.float32)
    assert as_rgb(image)[0, :2, 0].tolist() == [85, 255]
    assert not as_rgb(np.full((2, 2, 1), 7.0)).any()


def test_a_scale_decides_what_is_black_and_white() -> None:
    scale = Intensity.from_percentiles([100], [300], mean=0.5, std=0.5)
    image = np.array([[[50], [200], [400]]], np.uint16)
    assert as_rgb(image, intensity=scale)[0, :, 0].tolist() == [0, 128, 255]


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    write_png(path, colour())
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), colour())
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]
    (tmp_path / "file").touch()
    with pytest.raises(ScanError, match="can't be written"):
        write_png(tmp_path / "file" / "a.png", colour())


@given(
    st.lists(st.lists(st.floats(-9, 40), min_size=4, max_size=4), max_size=5),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_boxes_are_drawn_along_their_inner_sides_only(
    corners: list[list[float]], rows: int, cols: int
) -> None:
    sides = np.array(corners).reshape(-1, 2, 2)
    boxes = np.sort(sides, axis=1).reshape(-1, 4)
    ids = np.arange(len(boxes)) % 2 + 1
    picture = np.full((rows, cols, 3), 7, np.uint8)
    drawn = draw_boxes(picture, boxes, ids, _LABELS)
    expected = picture.copy()
    for (left, top, right, bottom), number in zip(boxes, ids, strict=True):
        last_col = max(math.ceil(right) - 1, math.floor(left))
        last_row = max(math.ceil(bottom) - 1, math.floor(top))
        first_col, first_row = max(math.floor(left), 0), max(math.floor(top), 0)
        for row in range(first_row, min(last_row + 1, rows)):
            for col in range(first_col, min(last_col + 1, cols)):
                if row in {first_row, last_row} or col in {first_col, last_col}:
                    expected[row, col] = _LABELS.colours[number]
    assert np.array_equal(drawn, expected)
    assert (picture == 7).all()
