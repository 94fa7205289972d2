from pathlib import Path

import numpy as np
import pytest

from segx.errors import ScanError
from segx.geometry import Region
from segx.scans.memory import ArrayScan


@pytest.mark.parametrize(
    "region",
    [
        Region(-1, 0, 2, 2),
        Region(0, -1, 2, 2),
        Region(3, 0, 2, 2),
        Region(0, 5, 2, 2),
        Region(0, 0, 0, 2),
    ],
)
def test_a_region_that_leaves_the_scan_is_refused(region: Region) -> None:
    scan = ArrayScan(np.zeros((4, 6), np.uint8), path=Path("a.png"))
    with pytest.raises(ScanError, match=r"a\.png, which has 4x6 px"):
        scan.read(region)


def test_a_scan_is_closed_at_the_end_of_its_block() -> None:
    class Watched(ArrayScan):
        closed = False

        def close(self) -> None:
            self.closed = True

    with Watched(np.zeros((2, 2))) as scan:
        assert not scan.closed
    assert scan.closed
