from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter

from segx.errors import DataError, ScanError
from segx.scans.intensity import Intensity, ScanScale
from segx.scans.memory import ArrayScan

_SOURCE = Path("scan.png")
_INTEGERS = st.sampled_from(["u1", "u2", "u4", "i1", "i2", "i4"])
_SHAPE = (3, 4, 2)


@given(dtype=_INTEGERS, data=st.data())
def test_every_whole_number_lands_between_0_and_1_in_order(
    dtype: str, data: st.DataObject
) -> None:
    pixels = data.draw(arrays(dtype, _SHAPE))
    scale = Intensity.for_dtype(dtype, 2, mean=0.5, std=0.5)
    unit = scale.unit(pixels)
    assert unit.dtype == np.float32
    assert 0 <= unit.min() <= unit.max() <= 1
    order = np.argsort(pixels, axis=None)
    assert (np.diff(unit.ravel()[order]) >= 0).all()
    limits = np.iinfo(dtype)
    exact = (pixels.astype(np.float64) - limits.min) / (limits.max - limits.min)
    assert np.allclose(unit, exact, atol=1e-6)


@given(
    arrays(np.float32, _SHAPE, elements=st.floats(-1e6, 1e6, width=32)),
    st.floats(-100, 100),
    st.floats(1, 1000),
)
def test_values_outside_the_percentiles_are_clipped(
    pixels: np.ndarray, low: float, width: float
) -> None:
    scale = Intensity.from_percentiles(
        [low, low], [low + width] * 2, mean=[0.5, 0.2], std=[0.5, 0.1]
    )
    unit = scale.unit(pixels)
    assert (unit[pixels <= low] == 0).all()
    assert (unit[pixels >= low + width * (1 + 1e-6) + 1e-3] == 1).all()


def test_each_channel_has_its_own_scale_mean_and_std() -> None:
    scale = Intensity((0, 100), (10, 200), (0.5, 0.0), (0.5, 2.0), "test")
    pixels = np.array([[[5, 150], [10, 200]]], np.uint16)
    assert scale.unit(pixels).tolist() == [[[0.5, 0.5], [1.0, 1.0]]]
    assert scale(pixels).tolist() == [[[0.0, 0.25], [1.0, 0.5]]]
    assert scale(pixels).dtype == np.float32


@pytest.mark.parametrize(
    "scale",
    [
        Intensity.from_percentiles([0.1], [99.7], mean=0.485, std=0.229),
        Intensity.for_dtype(np.uint16, 3, mean=(0.4, 0.5, 0.6), std=0.5),
        Intensity.from_window(-150, 250, 2, mean=0.5, std=(0.5, 0.2)),
    ],
)
def test_a_scale_survives_json(scale: Intensity) -> None:
    stored = TypeAdapter(Intensity).dump_json(scale)
    assert TypeAdapter(Intensity).validate_json(stored) == scale


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_values_that_are_not_finite_are_counted_and_the_file_is_named(
    value: float, dtype: type[np.floating[Any]]
) -> None:
    pixels = np.zeros((4, 4, 1), dtype)
    pixels[1, 2] = value
    scale = Intensity.from_percentiles([0], [1], mean=0.5, std=0.5)
    with pytest.raises(ScanError, match=r"scan\.png holds 1 values that are NaN"):
        scale(pixels, source=_SOURCE)


def test_a_range_of_one_type_refuses_images_of_another() -> None:
    scale = Intensity.for_dtype(np.uint8, 1, mean=0.5, std=0.5)
    with pytest.raises(ScanError, match=r"scan\.png holds uint16 values.*of uint8"):
        scale(np.full((4, 4, 1), 1000, np.uint16), source=_SOURCE)
    measured = Intensity.from_percentiles([0], [9], mean=0.5, std=0.5)
    assert measured.unit(np.full((4, 4, 1), 1000, np.uint16)).min() == 1


@given(st.integers(-2000, 2000), st.integers(1, 4000), st.integers(1, 3))
def test_a_window_is_for_values_of_every_type_and_clips_outside(
    low: int, width: int, channels: int
) -> None:
    scale = Intensity.from_window(low, low + width, channels, mean=0, std=1)
    values = np.array([low - 9, low, low + width, low + width + 9])
    for dtype in (np.int16, np.int32, np.float32):
        pixels = np.repeat(values[np.newaxis, :, np.newaxis], channels, axis=2)
        unit = scale.unit(pixels.astype(dtype))
        assert unit[0].tolist() == [[value] * channels for value in (0, 0, 1, 1)]


def test_an_image_is_not_changed_by_scaling() -> None:
    scale = Intensity.from_percentiles([0], [9], mean=0.5, std=0.5)
    pixels = np.full((4, 4, 1), 4, np.float32)
    unit = scale.unit(pixels)
    scale.normalise(unit)
    assert (pixels == 4).all()
    assert np.allclose(unit, 4 / 9)


def test_channels_that_do_not_fit_are_refused() -> None:
    scale = Intensity.for_dtype(np.uint8, 3, mean=0.5, std=0.5)
    with pytest.raises(ScanError, match="is for 3 channels"):
        scale(np.zeros((4, 4, 1), np.uint8))


@pytest.mark.parametrize(
    ("low", "high", "mean", "std"),
    [
        ((0,), (0,), (0.5,), (0.5,)),
        ((1,), (0,), (0.5,), (0.5,)),
        ((0,), (np.nan,), (0.5,), (0.5,)),
        ((0,), (1,), (0.5,), (0.0,)),
        ((0,), (1,), (np.inf,), (1.0,)),
        ((0, 0), (1,), (0.5,), (0.5,)),
        ((), (), (), ()),
    ],
)
def test_scales_that_can_not_be_computed_are_refused(
    low: tuple[float, ...],
    high: tuple[float, ...],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> None:
    with pytest.raises(DataError):
        Intensity(low, high, mean, std, "test")


def test_floating_point_has_no_natural_range() -> None:
    with pytest.raises(DataError, match="from_percentiles"):
        Intensity.for_dtype(np.float32, 1, mean=0.5, std=0.5)


@given(
    arrays(np.float32, (6, 7, 2), elements=st.floats(0, 100, width=32), unique=True),
    st.floats(0.01, 1e4),
    st.floats(-1e3, 1e3),
    st.sampled_from(["percentile", "zscore"]),
)
def test_a_scale_of_each_scan_knows_no_unit(
    pixels: np.ndarray, factor: float, summand: float, how: ScanScale
) -> None:
    scale = Intensity.for_each_scan(how, 2, mean=0.5, std=0.5)
    other = pixels.astype(np.float64) * factor + summand
    ours = scale.fitted_to(ArrayScan(pixels.astype(np.float64))).unit(pixels)
    theirs = scale.fitted_to(ArrayScan(other)).unit(other)
    assert np.allclose(ours, theirs, atol=1e-3)


def test_a_z_score_puts_the_mean_in_the_middle() -> None:
    pixels = np.random.default_rng(0).normal(40, 5, (64, 64, 1))
    scale = Intensity.for_each_scan("zscore", 1, mean=0.5, std=0.5)
    fitted = scale.fitted_to(ArrayScan(pixels))
    assert fitted.low == pytest.approx((pixels.mean() - 3 * pixels.std(),))
    assert fitted.high == pytest.approx((pixels.mean() + 3 * pixels.std(),))
    assert fitted.of_each_scan is None


def test_a_scale_that_holds_for_all_stays_as_it_is() -> None:
    scale = Intensity.for_dtype(np.uint8, 1, mean=0.5, std=0.5)
    assert scale.fitted_to(ArrayScan(np.zeros((2, 2), np.uint8))) is scale


def test_an_unfitted_scale_scales_nothing() -> None:
    scale = Intensity.for_each_scan("percentile", 1, mean=0.5, std=0.5)
    with pytest.raises(DataError, match=r"scan\.png.*fitted_to"):
        scale(np.zeros((2, 2, 1)), source=_SOURCE)


def test_neighbours_share_the_scale_of_their_plane() -> None:
    scale = Intensity((0, 100), (10, 200), (0.5, 0.0), (0.5, 2.0), "test")
    wide = scale.for_neighbours(1)
    pixels = np.random.default_rng(0).uniform(0, 200, (3, 4, 2))
    beside = np.concatenate([pixels] * 3, axis=2)
    assert np.array_equal(wide(beside), np.concatenate([scale(pixels)] * 3, axis=2))
    fitted = Intensity.for_each_scan("zscore", 2, mean=0.5, std=0.5).for_neighbours(1)
    found = fitted.fitted_to(ArrayScan(pixels), neighbours=1)
    assert found.low[:2] == found.low[2:4] == found.low[4:]


def test_a_scale_of_each_scan_comes_back_from_a_file() -> None:
    scale = Intensity.for_each_scan("zscore", 2, mean=0.5, std=0.5)
    stored = TypeAdapter(Intensity).dump_json(scale)
    assert TypeAdapter(Intensity).validate_json(stored) == scale


def test_a_scan_of_one_value_is_named() -> None:
    scale = Intensity.for_each_scan("percentile", 1, mean=0.5, std=0.5)
    with pytest.raises(DataError, match=r"blank\.png.*nothing to scale"):
        scale.fitted_to(ArrayScan(np.ones((4, 4)), path=Path("blank.png")))


@pytest.mark.parametrize("neighbours", [0, 1, 3])
def test_the_scale_of_the_plane_in_the_middle_is_the_planes_own(
    neighbours: int,
) -> None:
    scale = Intensity.from_percentiles([1.0, 2.0], [5.0, 7.0], mean=0.5, std=0.25)
    assert scale.for_neighbours(neighbours).of_middle(neighbours) == scale
