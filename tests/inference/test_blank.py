"""Glass and margins are found, whatever is on them is not; a region cuts the mask."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segx.geometry import Extent, Region
from segx.inference.blank import blank_map, otsu
from segx.inference.plan import TilePlan
from segx.inference.predictor import Predictor
from segx.scans.memory import ArrayScan
from tests.inference.stubs import THREE, Brightness, Identity, model, predictor_with


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


def test_outside_the_region_is_background_and_the_network_is_spared(
    tmp_path: Path,
) -> None:
    image = np.full((96, 160), 200, np.uint8)
    region = np.zeros((96, 160), np.uint8)
    region[40:60, 10:50] = 1
    Image.fromarray(region).save(tmp_path / "region.png")
    engine = Identity()
    plain = predictor_with(model(channels=1), engine)
    predictor = Predictor(
        plain.members, plan=TilePlan(32, 0.25), interest=tmp_path / "region.png"
    )
    assert np.array_equal(predictor.predict(image), region)
    seen = len(engine.shapes)
    assert 0 < seen < len(predictor.plan.tiling(Extent(96, 160)).tiles) / 2


@pytest.mark.parametrize("resize", [None, (48, 64)])
def test_a_region_cuts_what_is_predicted_everywhere(
    tmp_path: Path, resize: tuple[int, int] | None
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 90), np.uint8)
    outline = [[[20, 10], [70, 10], [70, 60], [20, 60]]]
    region = tmp_path / "region.geojson"
    region.write_text(json.dumps({"type": "Polygon", "coordinates": outline}))
    plain = predictor_with(model(channels=1, resize=resize), Identity())
    within = Predictor(plain.members, plan=plain.plan, interest=region)
    wanted = plain.predict(image)
    assert wanted.any()
    inside = np.zeros((70, 90), bool)
    inside[10:60, 20:70] = True
    assert np.array_equal(within.predict(image), np.where(inside, wanted, 0))
