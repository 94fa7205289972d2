"""A timing counts what it says, and compares with the reference on every tile."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from segx.inference.timing import Timing, noise_tiles, time_runtime
from tests.inference.stubs import BINARY


@dataclass
class Counting:
    offset: float = 0.0
    runs: list[tuple[int, ...]] = field(default_factory=list)
    about: str = "counting cpu fp32"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self.runs.append(tiles.shape)
        return tiles[:, :1] + np.float32(self.offset)


def test_each_tile_is_compared_and_the_first_one_timed() -> None:
    runtime, reference = Counting(offset=0.3), Counting()
    tiles = [np.full((3, 8, 8), v, np.float32) for v in (-0.1, -0.5, 0.5, 0.1)]
    timing = time_runtime(runtime, tiles, reference=reference, labels=BINARY, repeats=5)
    assert (timing.about, len(timing.seconds)) == ("counting cpu fp32", 5)
    assert timing.flipped == 0.25
    assert len(reference.runs) == 4
    assert len(runtime.runs) == 4 + 1 + 5
    assert set(runtime.runs) == {(1, 3, 8, 8)}


def test_the_median_makes_the_speed() -> None:
    timing = Timing("x", (9.0, 0.5, 1.0), megapixels=0.25, flipped=0)
    assert timing.median == 1.0
    assert timing.speed == pytest.approx(0.25)


@pytest.mark.parametrize("side", [1, 16, 33])
def test_noise_has_the_size_and_about_the_spread_of_images(side: int) -> None:
    tiles = noise_tiles(4, side, count=3)
    assert [tile.shape for tile in tiles] == [(4, side, side)] * 3
    assert all(tile.dtype == np.float32 and abs(tile).max() < 3 for tile in tiles)
