"""Maps are read back by tifffile as they were given."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from segx.scans.memory import ArrayScan
from segx.scans.value_tiff import write_values


@pytest.mark.parametrize("shape", [(5, 7), (300, 260), (256, 512)])
@pytest.mark.parametrize("maps", [1, 3])
def test_a_round_trip(tmp_path: Path, shape: tuple[int, int], maps: int) -> None:
    values = np.random.default_rng(0).random((*shape, maps), np.float32)
    scan = ArrayScan(np.zeros(shape, np.uint8))
    names = ("a", "b", "c")[:maps]
    path = tmp_path / "a.tif"
    write_values(
        path, lambda first, n: values[first : first + n], like=scan, names=names
    )
    found = tifffile.imread(path).reshape(maps, *shape)
    assert found.dtype == np.float32
    assert np.array_equal(np.moveaxis(found, 0, 2), values)
    with tifffile.TiffFile(path) as file:
        assert file.pages.first.description == f"segx: {', '.join(names)}"
