from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segx.geometry import Extent
from segx.scans.pyramid import PyramidLevel
from segx.scans.resize import resize_mask


@given(
    rows=st.integers(1, 90),
    cols=st.integers(1, 90),
    band=st.integers(1, 100),
    factor=st.sampled_from([1, 2, 4, 32]),
)
def test_bands_give_what_the_whole_mask_gives(
    rows: int, cols: int, band: int, factor: int
) -> None:
    mask = np.random.default_rng(rows).integers(0, 9, (rows, cols), np.uint8)
    level = PyramidLevel(Extent(rows, cols), factor=factor)
    picked = [level.pick(mask[top : top + band], top) for top in range(0, rows, band)]
    assert np.array_equal(np.concatenate(picked), resize_mask(mask, level.extent))


@given(rows=st.integers(1, 50_000), cols=st.integers(1, 50_000))
def test_levels_are_halves_until_one_can_be_seen_whole(rows: int, cols: int) -> None:
    levels = PyramidLevel.all_of(Extent(rows, cols))
    sides = [max(level.extent.rows, level.extent.cols) for level in levels]
    assert levels[0].extent == Extent(rows, cols)
    assert all(small == -(-large // 2) for large, small in pairwise(sides))
    assert sides[-1] <= 2048
    assert all(side > 2048 for side in sides[:-1])
