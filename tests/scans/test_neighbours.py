"""A plane reads its neighbours; at either end they are repeated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.neighbours import read_with_neighbours
from segx.scans.scan import Scan


class _Stack(Scan):
    """Planes whose pixels are all the plane's own number."""

    def __init__(self, planes: int) -> None:
        extent = Extent(4, 6)
        dtype = np.dtype(np.int16)
        super().__init__(
            Path("stack"), extent=extent, channels=1, dtype=dtype, planes=planes
        )

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        return np.full((region.rows, region.cols, 1), plane, self.dtype)


@pytest.mark.parametrize(
    ("plane", "neighbours", "expected"),
    [(0, 1, [0, 0, 1]), (2, 1, [1, 2, 3]), (4, 2, [2, 3, 4, 4, 4]), (3, 0, [3])],
)
def test_neighbours_are_further_channels(
    plane: int, neighbours: int, expected: list[int]
) -> None:
    region = Region(1, 2, 2, 3)
    found = read_with_neighbours(
        _Stack(5), region, plane=plane, neighbours=neighbours, channels=1
    )
    assert found.shape == (2, 3, len(expected))
    assert found[1, 1].tolist() == expected


def test_each_plane_is_given_the_channels_of_the_model() -> None:
    found = read_with_neighbours(
        _Stack(3), Region(0, 0, 1, 1), plane=1, neighbours=1, channels=3
    )
    assert found[0, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_plane_or_level_that_is_not_there_is_an_error() -> None:
    whole = Region.whole(Extent(4, 6))
    for place in ({"plane": 3}, {"plane": -1}, {"level": 1}):
        with pytest.raises(ScanError, match="which has 3 and 1, counted from 0"):
            _Stack(3).read(whole, **place)
