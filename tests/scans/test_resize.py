import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segx.geometry import Extent
from segx.scans.resize import resize_image, resize_mask

sides = st.integers(1, 40)


@given(sides, sides, sides, sides)
def test_a_constant_stays_constant_and_values_stay_in_range(
    rows: int, cols: int, new_rows: int, new_cols: int
) -> None:
    extent = Extent(new_rows, new_cols)
    constant = np.full((rows, cols, 2), 0.25, np.float32)
    assert np.allclose(resize_image(constant, extent), 0.25, atol=1e-6)
    image = np.random.default_rng(rows).random((rows, cols, 2), np.float32)
    resized = resize_image(image, extent)
    assert resized.shape == (new_rows, new_cols, 2)
    assert image.min() - 1e-6 <= resized.min() <= resized.max() <= image.max() + 1e-6


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "f4", "f8"])
@given(sides, sides)
def test_the_type_stays_and_its_limits_hold(dtype: str, rows: int, cols: int) -> None:
    limits = np.finfo(dtype) if dtype.startswith("f") else np.iinfo(dtype)
    image = np.full((9, 7, 1), 0, dtype)
    image[::2] = limits.max if dtype[0] in "ui" else 1e6
    resized = resize_image(image, Extent(rows, cols))
    assert resized.dtype == image.dtype
    assert image.min() <= resized.min() <= resized.max() <= image.max()


@pytest.mark.parametrize("extent", [Extent(7, 9), Extent(40, 33), Extent(3, 40)])
def test_it_agrees_with_an_independent_antialiased_resize(extent: Extent) -> None:
    image = np.random.default_rng(0).random((20, 24, 3), np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image).permute(2, 0, 1)[None],
        size=(extent.rows, extent.cols),
        mode="bilinear",
        antialias=True,
    )
    resized = resize_image(image, extent)
    assert np.allclose(resized, expected[0].permute(1, 2, 0).numpy(), atol=1e-5)


@given(sides, sides, sides, sides)
def test_no_id_appears_that_was_not_there(
    rows: int, cols: int, new_rows: int, new_cols: int
) -> None:
    mask = np.random.default_rng(cols).choice([0, 3, 255], (rows, cols))
    resized = resize_mask(mask.astype(np.uint8), Extent(new_rows, new_cols))
    assert resized.shape == (new_rows, new_cols)
    assert set(np.unique(resized)) <= set(np.unique(mask))


@given(sides, sides, st.integers(1, 5))
def test_enlarging_by_a_whole_number_repeats_and_shrinking_undoes_it(
    rows: int, cols: int, factor: int
) -> None:
    mask = np.random.default_rng(rows).integers(0, 9, (rows, cols, 2), np.uint8)
    large = resize_mask(mask, Extent(rows * factor, cols * factor))
    assert np.array_equal(large, mask.repeat(factor, 0).repeat(factor, 1))
    assert np.array_equal(resize_mask(large, Extent(rows, cols)), mask)
