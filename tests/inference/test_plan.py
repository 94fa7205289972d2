from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.config import InferenceConfig
from segx.errors import TilingError
from segx.geometry import Extent
from segx.inference.plan import BAND_PIXELS, LARGEST_TILE, OVERLAP_PX, TilePlan

sides = st.integers(1, 2000)


@given(sides, sides, st.integers(1, 600))
def test_a_scan_smaller_than_a_tile_gets_a_tile_hardly_larger_than_itself(
    rows: int, cols: int, side: int
) -> None:
    tile = TilePlan(tile=side).tile_for(Extent(rows, cols))
    for length, chosen in ((rows, tile.rows), (cols, tile.cols)):
        assert min(side, length) <= chosen <= side
        assert chosen < length + 32


def test_what_is_asked_for_takes_the_place_of_the_models_own() -> None:
    config = InferenceConfig(tile=256, overlap=0.5, blend="hann", batch_size=4)
    assert TilePlan.from_config(config) == TilePlan(256, 0.5, "hann", 4)
    changed = TilePlan.from_config(config, tile=64, overlap=0.0, batch_size=1)
    assert changed == TilePlan(64, 0.0, "hann", 1)


def test_left_to_itself_a_plan_computes_no_more_than_one_with_fixed_tiles() -> None:
    scan = Extent(4096, 4096)
    own, fixed = (plan.tiling(scan) for plan in (TilePlan(), TilePlan(512, 0.25)))
    pixels = [len(each.tiles) * each.tile.pixels for each in (own, fixed)]
    assert 1.5 * pixels[0] < pixels[1]


@given(sides, sides)
def test_tiles_that_are_chosen_suit_the_network_and_overlap(
    rows: int, cols: int
) -> None:
    frame, tile, tiles = TilePlan().tiling(Extent(rows, cols))
    assert tile.rows % 32 == tile.cols % 32 == 0
    assert max(tile.rows, tile.cols) <= LARGEST_TILE
    assert max(item.bottom for item in tiles) == frame.rows
    tops = sorted({item.top for item in tiles})
    shared = min(OVERLAP_PX, tile.rows // 4)
    assert all(top + tile.rows - after >= shared for top, after in pairwise(tops))


@given(st.integers(2, 60), st.integers(2, 60))
def test_bands_of_a_wide_scan_are_low_at_any_height(rows: int, cols: int) -> None:
    """What is blended in memory must not grow with a scan's height."""
    scan = Extent(rows * 1000, cols * 1000)
    tile = TilePlan().tile_for(scan)
    assert tile.rows * scan.cols <= max(BAND_PIXELS, 512 * scan.cols)
    if rows >= 10:
        higher = TilePlan().tile_for(Extent(2 * scan.rows, scan.cols))
        assert abs(higher.rows - tile.rows) <= 0.25 * max(higher.rows, tile.rows)


@pytest.mark.parametrize(
    ("tile", "overlap", "batch_size"), [(0, 0.25, 1), (64, 1.0, 1), (64, 0.25, 0)]
)
def test_plans_that_can_not_be_are_refused(
    tile: int, overlap: float, batch_size: int
) -> None:
    with pytest.raises(TilingError, match="can't be planned"):
        TilePlan(tile, overlap, "hann", batch_size)
