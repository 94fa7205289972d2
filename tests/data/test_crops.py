import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segx.data.crops import ForegroundPixels, cut, place_crop
from segx.geometry import Extent, Region
from segx.labels import Labels

MULTICLASS = Labels("multiclass", ("background", "x", "y"), ignore_index=9)
MULTILABEL = Labels("multilabel", ("x", "y"))
SIDES = st.integers(1, 40)
EXTENTS = st.builds(Extent, SIDES, SIDES)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(EXTENTS, EXTENTS, st.integers(0, 9))
def test_a_crop_has_its_size_and_lies_inside_or_around(
    extent: Extent, crop: Extent, seed: int
) -> None:
    region = place_crop(extent, crop, centre=None, rng=rng(seed))
    assert region.extent == crop
    for start, end, size in (
        (region.top, region.bottom, extent.rows),
        (region.left, region.right, extent.cols),
    ):
        assert (start >= 0 and end <= size) or (start <= 0 and end >= size)


@given(EXTENTS, EXTENTS, st.data())
def test_a_crop_holds_the_pixel_that_it_is_put_on(
    extent: Extent, crop: Extent, data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, extent.rows - 1))
    col = data.draw(st.integers(0, extent.cols - 1))
    region = place_crop(extent, crop, centre=(row, col), rng=rng())
    assert region.top <= row < region.bottom
    assert region.left <= col < region.right


@given(EXTENTS, EXTENTS, st.integers(0, 9))
def test_a_cut_is_the_image_and_outside_it_the_mirror_image(
    extent: Extent, crop: Extent, seed: int
) -> None:
    rows, cols = np.mgrid[: extent.rows, : extent.cols]
    array = np.stack([rows, cols], axis=2)
    region = place_crop(extent, crop, centre=None, rng=rng(seed))
    found = cut(array, region)
    assert found.shape == (crop.rows, crop.cols, 2)
    mirrored = np.pad(np.arange(extent.rows), 200, mode="reflect")
    expected = mirrored[200 + region.top : 200 + region.bottom]
    assert np.array_equal(found[:, 0, 0], expected)


def test_a_cut_is_a_copy() -> None:
    array = np.zeros((4, 4))
    cut(array, Region(0, 0, 2, 2))[...] = 1
    assert not array.any()


def test_classes_are_drawn_alike_however_rare_they_are() -> None:
    mask = np.ones((50, 50), np.uint8)
    mask[0, 0] = 2
    pixels = ForegroundPixels(mask, MULTICLASS, rng=rng())
    generator = rng()
    drawn = [mask[pixels.draw(generator)] for _ in range(400)]
    assert 150 < drawn.count(2) < 250


@given(st.integers(0, 2**32 - 1))
def test_only_foreground_is_drawn(seed: int) -> None:
    mask = rng(seed).choice(np.array([0, 1, 2, 9], np.uint8), (12, 9))
    pixels = ForegroundPixels(mask, MULTICLASS, rng=rng())
    generator = rng(seed)
    assert all(mask[pixels.draw(generator)] in {1, 2} for _ in range(20))


def test_background_and_ignored_pixels_are_no_foreground() -> None:
    mask = np.array([[0, 9], [9, 0]], np.uint8)
    assert not ForegroundPixels(mask, MULTICLASS, rng=rng())


def test_each_plane_is_a_class() -> None:
    planes = np.zeros((6, 6, 2), np.uint8)
    planes[1, 2, 1] = 1
    pixels = ForegroundPixels(planes, MULTILABEL, rng=rng())
    assert pixels.draw(rng()) == (1, 2)


def test_the_memory_does_not_grow_with_the_mask() -> None:
    pixels = ForegroundPixels(np.ones((900, 900), np.uint8), MULTICLASS, rng=rng())
    assert sum(item.nbytes for item in pixels._pixels) == 512 * 4
