"""Glass and margins are found; whatever is on them is not taken for blank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.geometry import Extent, Region
from segx.inference.blank import blank_map, otsu
from segx.inference.predictor import Predictor
from segx.scans.memory import ArrayScan
from tests.inference.stubs import THREE, Brightness, model, predictor_with


def _slide(
    *, is_glass: bool, spot: Region, shape: tuple[int, int] = (600, 900)
) -> np.ndarray:
    rng = np.random.default_rng(0)
    image = rng.normal(235 if is_glass else 8, 3, (*shape, 3))
    tissue = rng.normal(120, 25, (spot.rows, spot.cols, 3))
    image[spot.slices] = tissue
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("is_glass", [True, False])
def test_what_is_far_from_tissue_is_blank_and_tissue_is_not(is_glass: bool) -> None:
    spot = Region(200, 300, 150, 200)
    found = blank_map(ArrayScan(_slide(is_glass=is_glass, spot=spot)))
    assert found(Region(0, 0, 128, 128))
    assert found(Region(500, 700, 100, 200))
    assert not found(spot)
    assert 0.9 < found.share < 0.96


@given(st.integers(0, 590), st.integers(0, 890), st.integers(4, 10))
def test_no_region_that_touches_something_is_blank(
    top: int, left: int, side: int
) -> None:
    image = np.full((600, 900, 3), 240, np.uint8)
    image[100:300, 100:300] = 90
    image[top : top + side, left : left + side] = 60
    found = blank_map(ArrayScan(image))
    assert not found(Region(top, left, min(side, 600 - top), min(side, 900 - left)))


def test_otsu_parts_two_groups() -> None:
    values = np.concatenate([np.full(900, 10.0), np.full(100, 200.0)])
    assert 10 < otsu(values.astype(np.float32)) < 200


def test_skipping_leaves_the_foreground_as_it_is() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[100:160, 200:280] = 128
    image[120:140, 220:240] = 255
    stub = model(THREE)
    plain = predictor_with(stub, Brightness())
    sparing = Predictor(plain.members, plan=plain.plan, skip_blank=True)
    assert np.array_equal(plain.predict(image), sparing.predict(image))
    assert Extent(*plain.predict(image).shape) == Extent(300, 400)
