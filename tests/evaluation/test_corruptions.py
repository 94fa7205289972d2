"""Damage is seeded, keeps type and shape, and does not depend on how it is cut."""

from pathlib import Path

import numpy as np
import pytest

from segx.evaluation.corruptions import CORRUPTIONS, CorruptedScan, Corruption
from segx.geometry import Region
from segx.scans.memory import ArrayScan

EACH = pytest.mark.parametrize("corruption", CORRUPTIONS, ids=str)


def _image(dtype: str, channels: int = 3) -> np.ndarray:
    values = np.random.default_rng(0).integers(20, 90, (40, 30, channels))
    return values.astype(dtype)


@EACH
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_type_and_shape_stay_and_values_do_not(
    corruption: Corruption, dtype: str, channels: int
) -> None:
    image = _image(dtype, channels)
    found = corruption(image, seed=1)
    assert (found.dtype, found.shape) == (image.dtype, image.shape)
    assert not np.array_equal(found, image)
    assert np.array_equal(found, corruption(image, seed=1))
    assert np.array_equal(image, _image(dtype, channels))


def test_each_does_what_it_is_called() -> None:
    image = _image("float64")
    assert np.array_equal(
        Corruption("inverted")(Corruption("inverted")(image, seed=0), seed=0), image
    )
    for kind in ("blur", "defocus"):
        assert Corruption(kind, 3)(image, seed=0).std() < 0.5 * image.std()
    noise = Corruption("noise", 0.2)(image, seed=0) - image
    assert noise.std() == pytest.approx(0.2 * np.ptp(image), rel=0.05)
    dot = np.zeros((21, 21, 1))
    dot[10, 10] = 1.0
    disk = Corruption("defocus", 4)(dot, seed=0)[..., 0] > 1e-6
    reach = np.hypot(*(np.indices(disk.shape) - 10))
    assert np.array_equal(disk, reach <= 4)


@EACH
def test_a_scan_is_damaged_alike_however_it_is_cut(corruption: Corruption) -> None:
    image = _image("uint8")
    with CorruptedScan(ArrayScan(image), corruption, seed=3, channels=3) as scan:
        whole = scan.read_all()
        part = scan.read(Region(7, 5, 20, 11))
    assert np.array_equal(whole, corruption(image, seed=3))
    assert np.array_equal(part, whole[7:27, 5:16])


@EACH
def test_neither_opaque_alpha_nor_grey_in_three_channels_is_torn_apart(
    corruption: Corruption,
) -> None:
    grey = np.repeat(_image("uint8")[..., :1], 3, axis=2)
    opaque = np.full((*grey.shape[:2], 1), 255, np.uint8)
    for image, channels in ((np.dstack([grey, opaque]), 3), (grey, 1)):
        scan = ArrayScan(image, path=Path("a"))
        with CorruptedScan(scan, corruption, seed=3, channels=channels) as damaged:
            expected = corruption(grey[..., :channels], seed=3)
            assert np.array_equal(damaged.read_all(), expected)


def test_without_damage_a_scan_is_as_it_is() -> None:
    image = _image("uint8")
    scan = ArrayScan(image, path=Path("a"))
    with CorruptedScan(scan, None, seed=3, channels=image.shape[2]) as scan:
        assert np.array_equal(scan.read_all(), image)
