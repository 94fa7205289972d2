import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import TilingError
from segx.geometry import Extent, Tile
from segx.tiles.grid import tile_grid
from segx.tiles.stitch import stitch
from segx.tiles.window import BlendKind, blend_window
from tests.tiles.strategies import overlaps, scans_and_tiles

kinds = st.sampled_from(["gaussian", "hann"])


def _cut(
    image: NDArray[np.float32], grid: list[Tile]
) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
    for tile in grid:
        yield tile, image[:, *tile.slices]


@given(scans_and_tiles(), overlaps(), kinds, st.integers(1, 3))
def test_what_was_cut_is_stitched_to_the_same_image_at_the_border_too(
    sizes: tuple[Extent, Extent], overlap: float, kind: BlendKind, channels: int
) -> None:
    scan, tile = sizes
    random = np.random.default_rng(scan.pixels)
    image = random.random((channels, scan.rows, scan.cols), np.float32)
    grid = tile_grid(scan, tile, overlap=overlap)
    window = blend_window(tile, kind=kind)
    bands = list(stitch(scan, _cut(image, grid), blend=window))
    whole = np.concatenate([values for _, values in bands], axis=1)
    assert whole.dtype == np.float32
    assert np.allclose(whole, image, atol=1e-5)


@given(scans_and_tiles(), overlaps(), kinds)
def test_bands_are_in_order_and_cover_the_scan_once(
    sizes: tuple[Extent, Extent], overlap: float, kind: BlendKind
) -> None:
    scan, tile = sizes
    image = np.ones((2, scan.rows, scan.cols), np.float32)
    grid = tile_grid(scan, tile, overlap=overlap)
    next_row = 0
    window = blend_window(tile, kind=kind)
    for region, values in stitch(scan, _cut(image, grid), blend=window):
        assert (region.top, region.left, region.cols) == (next_row, 0, scan.cols)
        assert values.shape == (2, region.rows, region.cols)
        assert np.allclose(values, 1, atol=1e-6)
        next_row = region.bottom
    assert next_row == scan.rows


def test_rows_are_given_as_soon_as_no_tile_can_change_them() -> None:
    scan, tile = Extent(30, 10), Extent(10, 10)
    grid = tile_grid(scan, tile, overlap=0.5)
    asked: list[int] = []

    def blocks() -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        for place in grid:
            asked.append(place.top)
            yield place, np.ones((1, 10, 10), np.float32)

    bands = stitch(scan, blocks(), blend=blend_window(tile, kind="hann"))
    region, _ = next(bands)
    assert (region.bottom, asked) == (5, [0, 5])


def test_memory_does_not_grow_with_the_height_of_the_scan() -> None:
    peaks = []
    tile = Extent(32, 32)
    for rows in (256, 2048):
        scan = Extent(rows, 128)
        grid = tile_grid(scan, tile, overlap=0.25)
        blocks = ((place, np.ones((2, 32, 32), np.float32)) for place in grid)
        window = blend_window(tile, kind="gaussian")
        tracemalloc.start()
        for _ in stitch(scan, blocks, blend=window):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize("order", [[0, 2, 1, 3], [1, 0, 2, 3][::-1], [0, 1], [0, 1, 3]])
def test_tiles_that_are_missing_or_out_of_order_are_noticed(order: list[int]) -> None:
    scan, tile = Extent(10, 10), Extent(5, 5)
    grid = tile_grid(scan, tile, overlap=0)
    blocks = [(grid[index], np.ones((1, 5, 5), np.float32)) for index in order]
    with pytest.raises(TilingError):
        list(stitch(scan, blocks, blend=blend_window(tile, kind="hann")))


def test_no_tiles_and_tiles_of_another_size_are_refused() -> None:
    scan, window = Extent(10, 10), blend_window(Extent(5, 5), kind="hann")
    with pytest.raises(TilingError, match="No tiles were given"):
        list(stitch(scan, [], blend=window))
    large = tile_grid(scan, Extent(10, 10), overlap=0)[0]
    with pytest.raises(TilingError, match="equal tiles in reading order"):
        list(stitch(scan, [(large, np.ones((1, 10, 10), np.float32))], blend=window))
