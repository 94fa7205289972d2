"""A whole mask cleaned in bands is what scipy.ndimage makes of it at once."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from segx.errors import ConfigError
from segx.labels import Labels
from segx.masks.cleaning import Cleaning, clean

BINARY = Labels("binary", ("background", "cell"))
THREE = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
LAYERS = Labels("multilabel", ("red", "green"))
Mask = NDArray[np.uint8]


@st.composite
def masks(draw: st.DrawFn, classes: int = 2) -> Mask:
    """Ids, (planes, rows, cols): noise and blobs, thin and thick."""
    shape = (
        draw(st.sampled_from([1, 1, 2, 4])),
        draw(st.integers(1, 24)),
        draw(st.integers(1, 24)),
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    noise = random.random(shape)
    smooth = ndimage.uniform_filter(noise, draw(st.sampled_from([1, 2, 3])))
    ranks = smooth.ravel().argsort().argsort().reshape(shape) / smooth.size
    foreground = draw(st.floats(0, 1))
    ids = 1 + random.integers(0, classes - 1, (shape[0], 4, 4))
    rows, cols = (np.arange(side) * 4 // side for side in shape[1:])
    return np.where(ranks < foreground, ids[:, rows][..., cols], 0).astype(np.uint8)


def cleanings() -> st.SearchStrategy[Cleaning]:
    return st.builds(
        Cleaning,
        fill_holes=st.booleans(),
        largest=st.booleans(),
        min_size_px=st.one_of(st.none(), st.integers(0, 12)),
    )


def _clean(
    mask: Mask, cleaning: Cleaning, labels: Labels, *, band: int | None
) -> tuple[Mask, tuple[int, ...]]:
    out, before = np.full_like(mask, 99), mask.copy()
    counts = clean(mask, cleaning, labels=labels, out=out, band_rows=band)
    assert np.array_equal(mask, before)
    return out, counts


def _at_once(area: NDArray[np.bool_], cleaning: Cleaning) -> NDArray[np.bool_]:
    """One class by scipy alone; where a tie is, the one that begins in a higher row."""
    # A single plane is filled as such: in three dimensions it would have no inside.
    faces = ndimage.generate_binary_structure(3, 1)
    if cleaning.fill_holes and len(area) == 1:
        area = ndimage.binary_fill_holes(area[0])[np.newaxis]
    elif cleaning.fill_holes:
        area = ndimage.binary_fill_holes(area, faces)
    rows_first = np.moveaxis(area, 1, 0)
    found, count = ndimage.label(rows_first, np.ones((3, 3, 3)))
    sizes = ndimage.sum_labels(rows_first, found, range(1, count + 1))
    keep = [
        number
        for number in range(1, count + 1)
        if sizes[number - 1] >= (cleaning.min_size_px or 0)
        and not (cleaning.largest and number != 1 + np.argmax(sizes))
    ]
    return np.moveaxis(np.isin(found, keep), 0, 1)


def _reaches_border(area: NDArray[np.bool_]) -> bool:
    """Whether an area touches the border; a single plane has none above or below."""
    ends = [np.take(area, (0, -1), axis).any() for axis in range(3)]
    return any(ends[1:] if len(area) == 1 else ends)


@given(mask=masks(), cleaning=cleanings(), band=st.integers(1, 30))
def test_bands_give_what_the_whole_gives(
    mask: Mask, cleaning: Cleaning, band: int
) -> None:
    cleaned, (count,) = _clean(mask, cleaning, BINARY, band=band)
    assert np.array_equal(cleaned, _at_once(mask == 1, cleaning))
    assert count == ndimage.label(cleaned, np.ones((3, 3, 3)))[1]


@given(mask=masks(classes=3), cleaning=cleanings(), band=st.integers(1, 30))
def test_classes_do_not_depend_on_bands_and_only_background_is_filled(
    mask: Mask, cleaning: Cleaning, band: int
) -> None:
    cleaned, _ = _clean(mask, cleaning, THREE, band=band)
    assert np.array_equal(cleaned, _clean(mask, cleaning, THREE, band=None)[0])
    # A class never takes a pixel of another: it grows into background or becomes it.
    both = (mask > 0) & (cleaned > 0)
    assert np.array_equal(mask[both], cleaned[both])
    if not cleaning.fill_holes:
        for value in (1, 2):
            alone = _at_once(mask == value, cleaning)
            assert np.array_equal(cleaned == value, alone)


@given(mask=masks(classes=3), band=st.integers(1, 30))
def test_a_hole_goes_to_the_only_class_that_it_touches(mask: Mask, band: int) -> None:
    cleaned, _ = _clean(mask, Cleaning(fill_holes=True), THREE, band=band)
    expected = mask.copy()
    faces = ndimage.generate_binary_structure(3, 1)
    found, count = ndimage.label(mask == 0, faces)
    for number in range(1, count + 1):
        hole = found == number
        around = set(mask[ndimage.binary_dilation(hole, faces) & ~hole].tolist())
        if len(around) == 1 and not _reaches_border(hole):
            expected[hole] = around.pop()
    assert np.array_equal(cleaned, expected)


@settings(max_examples=40)
@given(mask=masks(), other=masks(), cleaning=cleanings(), band=st.integers(1, 30))
def test_layers_are_cleaned_on_their_own(
    mask: Mask, other: Mask, cleaning: Cleaning, band: int
) -> None:
    shape = tuple(min(pair) for pair in zip(mask.shape, other.shape, strict=True))
    cut = tuple(slice(side) for side in shape)
    layers = np.stack([mask[cut], other[cut]], axis=3)
    cleaned, counts = _clean(layers, cleaning, LAYERS, band=band)
    for index in range(2):
        alone, count = _clean(layers[..., index], cleaning, BINARY, band=band)
        assert np.array_equal(cleaned[..., index], alone)
        assert counts[index] == count[0]


@given(mask=masks(classes=3), band=st.integers(1, 30))
def test_classes_that_are_not_named_stay(mask: Mask, band: int) -> None:
    cleaning = Cleaning(largest=True, min_size_px=3, classes=("nucleus",))
    cleaned, _ = _clean(mask, cleaning, THREE, band=band)
    assert np.array_equal(cleaned == 1, mask == 1)
    assert np.array_equal(cleaned == 2, _at_once(mask == 2, cleaning))


def test_a_file_is_cleaned_in_place(tmp_path: Path) -> None:
    mask = np.zeros((1, 40, 30), np.uint8)
    mask[0, 3:20, 4:20], mask[0, 8:12, 8:12], mask[0, 30, 2] = 1, 0, 1
    spool = np.memmap(tmp_path / "spool", np.uint8, "w+", shape=mask.shape)
    spool[:] = mask
    cleaning = Cleaning(fill_holes=True, min_size_px=2)
    assert clean(spool, cleaning, labels=BINARY, out=spool, band_rows=9) == (1,)
    assert np.array_equal(spool, _at_once(mask == 1, cleaning))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for rows in (1024, 4096):
        spool = np.memmap(tmp_path / f"{rows}", np.uint8, "w+", shape=(1, rows, 512))
        spool[0, 8::256, 8::32], spool[0, :, 0] = 1, 1
        tracemalloc.start()
        cleaning = Cleaning(fill_holes=True, largest=True)
        clean(spool, cleaning, labels=BINARY, out=spool, band_rows=128)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert spool.sum() == rows
    assert peaks[1] < 1.1 * peaks[0]


def test_sizes_in_mm_need_a_pixel_size() -> None:
    cleaning = Cleaning(min_size_mm=0.3)
    assert cleaning.least_pixels(0.1) == 3
    assert cleaning.least_pixels(0.11) == 3
    with pytest.raises(ConfigError, match="how large its pixels are"):
        cleaning.least_pixels(None)


def test_what_can_not_be_done_is_refused() -> None:
    with pytest.raises(ConfigError, match="below 0"):
        Cleaning(min_size_px=-1)
    for name in ("background", "neclueus"):
        with pytest.raises(ConfigError, match="none of the classes"):
            Cleaning(classes=(name,)).class_ids(THREE)
