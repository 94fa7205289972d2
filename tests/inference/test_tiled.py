from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import ModelError, OutOfMemoryError
from segx.geometry import Extent, Region
from segx.inference.plan import TilePlan
from segx.inference.tiled import predict_bands, predict_image, resize_probabilities
from segx.labels import Labels
from tests.inference.stubs import LAYERS, THREE, Constant, Identity, run_of
from tests.tiles.strategies import extents, overlaps

plans = st.builds(
    TilePlan,
    tile=st.integers(1, 48),
    overlap=overlaps().map(lambda share: min(share, 0.75)),
    blend=st.sampled_from(["gaussian", "hann"]),
    batch_size=st.integers(1, 5),
)


def _image(extent: Extent) -> NDArray[np.float32]:
    random = np.random.default_rng(extent.pixels)
    return random.random((3, extent.rows, extent.cols), np.float32)


@settings(max_examples=50)
@given(extents(), plans)
def test_an_identity_model_gives_the_image_back_at_the_border_too(
    extent: Extent, plan: TilePlan
) -> None:
    image = _image(extent)
    result = predict_image(run_of(Identity(), LAYERS), image, labels=LAYERS, plan=plan)
    assert result.shape == image.shape
    assert np.abs(result - image).max() < 1e-5


@settings(max_examples=50)
@given(extents(), plans)
def test_a_constant_model_gives_a_constant_at_the_border_too(
    extent: Extent, plan: TilePlan
) -> None:
    runtime = Constant((0.0, np.log(2.0), np.log(5.0)))
    result = predict_image(
        run_of(runtime, THREE), _image(extent), labels=THREE, plan=plan
    )
    expected = np.array([1, 2, 5])[:, np.newaxis, np.newaxis] / 8
    assert np.abs(result - expected).max() < 1e-5


@settings(max_examples=50)
@given(extents(), plans)
def test_bands_cover_the_scan_once_and_only_scan_is_read(
    extent: Extent, plan: TilePlan
) -> None:
    image = _image(extent)

    def read(region: Region) -> NDArray[np.float32]:
        assert region.rows > 0
        assert region.cols > 0
        assert region.bottom <= extent.rows
        assert region.right <= extent.cols
        return image[:, *region.slices]

    next_row = 0
    run = run_of(Identity(), LAYERS)
    for region, band in predict_bands(run, read, extent, labels=LAYERS, plan=plan):
        assert (region.top, region.left, region.cols) == (next_row, 0, extent.cols)
        assert band.shape == (3, region.rows, region.cols)
        next_row = region.bottom
    assert next_row == extent.rows


@given(st.integers(1, 7))
def test_the_batch_size_changes_nothing_but_the_number_of_runs(batch_size: int) -> None:
    image = _image(Extent(70, 50))
    alone, together = Identity(), Identity()
    plan = TilePlan(tile=24, overlap=0.25, batch_size=batch_size)
    one = predict_image(
        run_of(alone, LAYERS),
        image,
        labels=LAYERS,
        plan=TilePlan(tile=24, overlap=0.25),
    )
    many = predict_image(run_of(together, LAYERS), image, labels=LAYERS, plan=plan)
    assert np.array_equal(one, many)
    # 70x50 px are four rows of three tiles; no batch reaches into the next row.
    assert len(alone.shapes) == 12
    assert len(together.shapes) == 4 * -(-3 // batch_size)


def test_a_small_scan_is_continued_by_reflection() -> None:
    seen: list[NDArray[np.float32]] = []

    class Watching(Identity):
        def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
            seen.append(tiles)
            return super().run(tiles)

    image = np.arange(3 * 20 * 40, dtype=np.float32).reshape(3, 20, 40) / 2400
    predict_image(
        run_of(Watching(), LAYERS), image, labels=LAYERS, plan=TilePlan(tile=32)
    )
    rows = seen[0].shape[2]
    assert rows == 32
    assert np.array_equal(seen[0][0, :, 20:], image[:, 18 : 18 - 12 : -1, :32])


def test_masks_of_another_size_than_the_tile_are_refused() -> None:
    class Halving(Identity):
        def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
            return tiles[:, :1, ::2, ::2]

    labels = Labels("binary", ("background", "cell"))
    with pytest.raises(
        ModelError, match=r"masks of \(16, 16\) px for tiles of \(32, 32\)"
    ):
        predict_image(
            run_of(Halving(), labels),
            _image(Extent(32, 32)),
            labels=labels,
            plan=TilePlan(tile=32),
        )


@given(extents(40), extents(40))
def test_resized_probabilities_stay_probabilities(small: Extent, large: Extent) -> None:
    values = _image(small)
    values /= values.sum(axis=0)
    resized = resize_probabilities(values, large)
    assert resized.shape == (3, large.rows, large.cols)
    assert np.allclose(resized.sum(axis=0), 1, atol=1e-4)


@given(extents(90), plans, st.data())
def test_what_is_begun_at_a_band_is_the_same_to_the_last_bit(
    extent: Extent, plan: TilePlan, data: st.DataObject
) -> None:
    image = _image(extent)
    read = partial(_part, image)
    run = run_of(Identity(), LAYERS)
    whole = list(predict_bands(run, read, extent, labels=LAYERS, plan=plan))
    number = data.draw(st.integers(0, len(whole) - 1))
    first_row = whole[number][0].top
    rest = list(
        predict_bands(run, read, extent, labels=LAYERS, plan=plan, first_row=first_row)
    )
    assert [region for region, _ in rest] == [region for region, _ in whole[number:]]
    for (_, found), (_, expected) in zip(rest, whole[number:], strict=True):
        assert np.array_equal(found, expected)


def test_blank_tiles_are_background_and_spare_the_network() -> None:
    image = _image(Extent(64, 64))
    runtime = Identity()
    bands = predict_bands(
        run_of(runtime, LAYERS),
        partial(_part, image),
        Extent(64, 64),
        labels=LAYERS,
        plan=TilePlan(tile=32, overlap=0.0),
        is_empty=lambda region: region.left == 0,
    )
    found = np.concatenate([band for _, band in bands], axis=1)
    assert not found[:, :, :32].any()
    assert np.abs(found[:, :, 32:] - image[:, :, 32:]).max() < 1e-5
    assert len(runtime.shapes) == 2


def test_blank_tiles_of_exclusive_classes_are_certainly_background() -> None:
    bands = predict_bands(
        run_of(Constant((0.0, 1.0, 2.0)), THREE),
        partial(_part, _image(Extent(40, 40))),
        Extent(40, 40),
        labels=THREE,
        plan=TilePlan(tile=32),
        is_empty=lambda _: True,
    )
    found = np.concatenate([band for _, band in bands], axis=1)
    assert np.array_equal(found[0], np.ones((40, 40)))


def test_too_little_memory_halves_the_batch_and_changes_nothing() -> None:
    class Small(Identity):
        def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
            if len(tiles) > 1:
                raise OutOfMemoryError("too many")
            return super().run(tiles)

    image = _image(Extent(70, 50))
    plan = TilePlan(tile=24, batch_size=5)
    small = predict_image(run_of(Small(), LAYERS), image, labels=LAYERS, plan=plan)
    large = predict_image(run_of(Identity(), LAYERS), image, labels=LAYERS, plan=plan)
    assert np.array_equal(small, large)


def test_a_tile_that_does_not_fit_alone_is_an_error() -> None:
    class Tiny(Identity):
        def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
            raise OutOfMemoryError("nothing fits")

    image = _image(Extent(70, 50))
    with pytest.raises(OutOfMemoryError, match="nothing fits"):
        predict_image(
            run_of(Tiny(), LAYERS), image, labels=LAYERS, plan=TilePlan(batch_size=4)
        )


def _part(image: NDArray[np.float32], region: Region) -> NDArray[np.float32]:
    return image[:, *region.slices]
