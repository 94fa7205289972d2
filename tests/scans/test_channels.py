from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segx.errors import ScanError
from segx.scans.channels import match_channels

_SOURCE = Path("scan.png")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(
    ("found", "wanted"), [(1, 3), (2, 1), (2, 3), (4, 3), (4, 1), (3, 1), (5, 5)]
)
def test_channels_are_matched_where_nothing_is_lost(
    dtype: Any, found: int, wanted: int
) -> None:
    grey = np.arange(12).reshape(3, 4, 1).astype(dtype)
    pixels = np.repeat(grey, found, axis=2)
    if found in (2, 4):
        pixels[..., -1] = 1 if dtype is np.float32 else np.iinfo(dtype).max
    matched = match_channels(pixels, wanted, source=_SOURCE)
    assert matched.dtype == dtype
    assert np.array_equal(matched, np.repeat(grey, wanted, axis=2))


@pytest.mark.parametrize(
    ("found", "wanted"), [(3, 1), (1, 4), (3, 4), (4, 3), (2, 1), (5, 3), (1, 2)]
)
def test_channels_are_not_made_up_or_lost(found: int, wanted: int) -> None:
    pixels = np.arange(12 * found, dtype=np.uint8).reshape(3, 4, found)
    with pytest.raises(ScanError, match=r"scan\.png has .*"):
        match_channels(pixels, wanted, source=_SOURCE)
