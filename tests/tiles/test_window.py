from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.errors import TilingError
from segx.geometry import Extent
from segx.tiles.window import BlendKind, blend_window

kinds = st.sampled_from(["gaussian", "hann"])
sides = st.integers(1, 300)


@given(kinds, sides, sides)
def test_every_weight_is_positive_in_float32_and_symmetric(
    kind: BlendKind, rows: int, cols: int
) -> None:
    window = blend_window(Extent(rows, cols), kind=kind)
    assert window.dtype == np.float32
    assert window.shape == (rows, cols)
    assert window.min() >= np.finfo(np.float32).tiny
    assert window.max() <= 1
    assert np.allclose(window, window[::-1, ::-1])


@given(kinds, sides)
def test_weights_fall_towards_the_border(kind: BlendKind, side: int) -> None:
    profile = blend_window(Extent(side, 1), kind=kind)[:, 0]
    assert (np.diff(profile[: (side + 1) // 2]) >= 0).all()


@pytest.mark.parametrize("kind", ["gaussian", "hann"])
def test_the_largest_tiles_have_positive_corners_too(kind: BlendKind) -> None:
    corner = blend_window(Extent(4096, 4096), kind=kind)[0, 0]
    assert corner >= np.finfo(np.float32).tiny


def test_half_overlapping_hann_windows_sum_to_one() -> None:
    window = blend_window(Extent(32, 1), kind="hann")[:, 0]
    assert np.allclose(window[:16] + window[16:], 1, atol=1e-6)


def test_unknown_kinds_are_refused() -> None:
    kind: Any = "cosine"
    with pytest.raises(TilingError, match="Take gaussian or hann"):
        blend_window(Extent(4, 4), kind=kind)
