import math

import numpy as np
import pytest
from hypothesis import given

from segx.errors import TilingError
from segx.geometry import Extent
from segx.tiles.grid import tile_grid
from tests.tiles.strategies import overlaps, scans_and_tiles


@given(scans_and_tiles(), overlaps())
def test_every_pixel_is_covered_and_no_tile_leaves_the_scan(
    sizes: tuple[Extent, Extent], overlap: float
) -> None:
    scan, tile = sizes
    covered = np.zeros((scan.rows, scan.cols), bool)
    for place in tile_grid(scan, tile, overlap=overlap):
        assert place.extent == tile
        assert min(place.top, place.left) >= 0
        assert place.bottom <= scan.rows
        assert place.right <= scan.cols
        covered[place.slices] = True
    assert covered.all()


@given(scans_and_tiles(), overlaps())
def test_strides_are_even_and_neighbours_share_enough(
    sizes: tuple[Extent, Extent], overlap: float
) -> None:
    scan, tile = sizes
    grid = tile_grid(scan, tile, overlap=overlap)
    for starts, side in (
        (sorted({place.top for place in grid}), tile.rows),
        (sorted({place.left for place in grid}), tile.cols),
    ):
        strides = np.diff(starts)
        if len(strides):
            assert strides.min() >= 1
            assert strides.max() - strides.min() <= 1
            assert strides.max() <= max(1.0, side * (1 - overlap) + 1e-6)


@given(scans_and_tiles(), overlaps())
def test_no_smaller_grid_would_do(sizes: tuple[Extent, Extent], overlap: float) -> None:
    scan, tile = sizes
    last = tile_grid(scan, tile, overlap=overlap)[-1]
    for tiles, length, side in (
        (last.grid_row + 1, scan.rows, tile.rows),
        (last.grid_col + 1, scan.cols, tile.cols),
    ):
        longest = max(1, math.floor(side * (1 - overlap) + 1e-9))
        assert side + (tiles - 2) * longest < length


@given(scans_and_tiles(), overlaps())
def test_tiles_come_in_reading_order_and_know_their_place(
    sizes: tuple[Extent, Extent], overlap: float
) -> None:
    grid = tile_grid(*sizes, overlap=overlap)
    places = [(place.top, place.left) for place in grid]
    assert places == sorted(set(places))
    cols = grid[-1].grid_col + 1
    numbers = [place.grid_row * cols + place.grid_col for place in grid]
    assert numbers == list(range(len(grid)))


@pytest.mark.parametrize("overlap", [-0.1, 1.0, 1.5, float("nan")])
def test_overlaps_that_are_no_share_are_refused(overlap: float) -> None:
    with pytest.raises(TilingError, match="from 0 to below 1"):
        tile_grid(Extent(10, 10), Extent(5, 5), overlap=overlap)


@pytest.mark.parametrize("tile", [Extent(11, 5), Extent(5, 11), Extent(0, 5)])
def test_tiles_that_do_not_fit_are_refused(tile: Extent) -> None:
    with pytest.raises(TilingError, match=f"A tile of {tile} px does not fit"):
        tile_grid(Extent(10, 10), tile, overlap=0)
