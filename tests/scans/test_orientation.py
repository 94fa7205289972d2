from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from segx.geometry import Extent, Region
from segx.scans import open_scan
from segx.scans.orientation import EXIF_TAG, ORIENTATIONS


@pytest.mark.parametrize("number", range(1, 9))
def test_pictures_are_turned_as_pillow_turns_them(number: int) -> None:
    stored = np.arange(15, dtype=np.uint8).reshape(3, 5)
    picture = Image.fromarray(stored)
    picture.getexif()[EXIF_TAG] = number
    expected = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(ORIENTATIONS[number].upright(stored), expected)


@given(st.integers(1, 8), st.data())
def test_a_stored_region_is_what_the_upright_region_shows(
    number: int, data: st.DataObject
) -> None:
    stored = np.arange(35).reshape(5, 7)
    orientation = ORIENTATIONS[number]
    upright = orientation.upright(stored)
    extent = orientation.upright_extent(Extent(5, 7))
    assert upright.shape == (extent.rows, extent.cols)
    top = data.draw(st.integers(0, extent.rows - 1))
    left = data.draw(st.integers(0, extent.cols - 1))
    rows = data.draw(st.integers(1, extent.rows - top))
    cols = data.draw(st.integers(1, extent.cols - left))
    region = Region(top, left, rows, cols)
    inside = orientation.stored_region(region, stored=Extent(5, 7))
    shown = orientation.upright(stored[inside.slices])
    assert np.array_equal(shown, upright[region.slices])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("tag", sorted(ORIENTATIONS))
def test_a_scan_says_whether_it_is_turned(
    tmp_path: Path, suffix: str, tag: int
) -> None:
    exif = Image.Exif()
    exif[EXIF_TAG] = tag
    path = tmp_path / f"a{suffix}"
    Image.new("L", (6, 4)).save(path, exif=exif)
    with open_scan(path) as scan:
        assert scan.is_turned == (tag != 1)
