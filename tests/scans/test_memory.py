import numpy as np
import pytest

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.memory import ArrayScan


def test_grey_arrays_get_one_channel_and_keep_their_values() -> None:
    array = np.arange(24, dtype=np.int32).reshape(4, 6)
    scan = ArrayScan(array)
    assert (scan.extent, scan.channels, scan.dtype) == (Extent(4, 6), 1, np.int32)
    assert np.array_equal(scan.read_all()[..., 0], array)
    assert np.array_equal(scan.read(Region(1, 2, 2, 3))[..., 0], array[1:3, 2:5])


@pytest.mark.parametrize("shape", [(3,), (0, 4), (2, 3, 4, 5), (4, 4, 0)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ScanError, match="is no image"):
        ArrayScan(np.zeros(shape))
