import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.config import AugmentConfig
from segx.data.augment import PRESETS, Augment
from segx.errors import ConfigError
from segx.geometry import Extent

SQUARE, OBLONG = Extent(32, 32), Extent(24, 40)


def build(
    preset: str = "none", *extra: object, channels: int = 3, extent: Extent = SQUARE
) -> Augment:
    config = AugmentConfig.model_validate({"preset": preset, "extra": extra})
    return Augment(config, channels=channels, extent=extent)


def example(
    channels: int = 3, extent: Extent = SQUARE
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    shape = (extent.rows, extent.cols)
    image = rng.random((*shape, channels), dtype=np.float32)
    return image, rng.integers(0, 3, shape, np.uint8)


def vary(augment: Augment, seed: int, *arrays: np.ndarray) -> list[np.ndarray]:
    image, mask = augment(arrays[0], arrays[1], rng=np.random.default_rng(seed))
    assert mask is not None
    return [image, mask]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("extent", [SQUARE, OBLONG])
def test_presets_work_on_any_channels_and_keep_size_type_and_range(
    preset: str, channels: int, extent: Extent
) -> None:
    augment = build(preset, channels=channels, extent=extent)
    for seed in range(25):
        image, mask = vary(augment, seed, *example(channels, extent))
        assert image.shape == (extent.rows, extent.cols, channels)
        assert image.dtype == np.float32
        assert (image.min() >= 0, image.max() <= 1) == (True, True)
        assert mask.shape == (extent.rows, extent.cols)
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) <= {0, 1, 2}


@given(st.sampled_from(sorted(PRESETS)), st.integers(0, 2**63))
def test_what_happens_follows_from_the_generator_alone(preset: str, seed: int) -> None:
    used, fresh = build(preset), build(preset)
    vary(used, seed + 1, *example())
    for one, other in zip(
        vary(used, seed, *example()), vary(fresh, seed, *example()), strict=True
    ):
        assert np.array_equal(one, other)


def test_seeds_vary_the_image() -> None:
    augment = build("standard")
    seen = {vary(augment, seed, *example())[0].tobytes() for seed in range(20)}
    assert len(seen) > 15


def test_none_changes_nothing() -> None:
    image, mask = example()
    found = vary(build("none"), 0, image, mask)
    assert found[0] is image
    assert found[1] is mask


@pytest.mark.parametrize("preset", ["light", "standard", "microscopy", "radiograph"])
def test_image_and_mask_move_together(preset: str) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[8:30, 20:50] = 1
    image = np.repeat(mask[..., np.newaxis], 3, axis=2).astype(np.float32) * 0.6 + 0.2
    augment = build(preset, extent=Extent(64, 64))
    for seed in range(30):
        varied, moved = vary(augment, seed, image, mask)
        grey = varied.mean(axis=2)
        bright = grey > (grey[moved == 1].mean() + grey[moved == 0].mean()) / 2
        assert (bright == (moved == 1)).mean() > 0.95


def test_planes_move_together() -> None:
    image, mask = example()
    planes = np.stack([mask == 1, mask == 2], axis=2).astype(np.uint8)
    augment = build("light")
    for seed in range(8):
        varied = vary(augment, seed, image, planes)[1]
        moved = vary(augment, seed, image, mask)[1]
        assert np.array_equal(varied, np.stack([moved == 1, moved == 2], axis=2))


def test_transforms_decide_independently() -> None:
    flips = [{"name": "HorizontalFlip", "p": 0.5}, {"name": "VerticalFlip", "p": 0.5}]
    augment = build("none", *flips)
    image, mask = example()
    seen = {vary(augment, seed, image, mask)[0].tobytes() for seed in range(40)}
    assert len(seen) == 4


def test_images_without_masks_are_varied_too() -> None:
    image, _ = example()
    varied, mask = build("standard")(image, None, rng=np.random.default_rng(0))
    assert mask is None
    assert varied.shape == image.shape


def test_an_augment_can_be_sent_to_another_process() -> None:
    augment = build("standard", "HorizontalFlip")
    back = pickle.loads(pickle.dumps(augment))  # noqa: S301 - our own bytes
    for one, other in zip(
        vary(augment, 5, *example()), vary(back, 5, *example()), strict=True
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("preset", "extra", "message"),
    [
        ("standart", [], "Did you mean standard"),
        ("none", ["HorizontalFlop"], "Did you mean HorizontalFlip"),
        ("none", [{"name": "GaussNoise", "std": 1}], "std"),
        ("none", [{"name": "GaussNoise", "p": "often"}], r"GaussNoise\.p"),
        ("none", [{"name": "RandomCrop", "height": 8, "width": 8}], "keeps the size"),
        ("none", ["Normalize"], "from 0 to 1, which it must stay"),
        ("none", ["FromFloat"], "makes uint8"),
        ("none", ["os.system"], "is not imported"),
        ("none", ["Compose"], "unknown name"),
    ],
)
def test_what_can_not_be_built_is_refused(
    preset: str, extra: list[object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(preset, *extra)


def test_a_transform_for_colour_is_refused_on_other_channels() -> None:
    build("none", "HEStain")
    with pytest.raises(ConfigError, match="does not work on images with 2 channels"):
        build("none", "HEStain", channels=2)


def test_a_transform_that_turns_oblong_crops_is_refused() -> None:
    augment = build("none", {"name": "Transpose", "p": 1.0})
    assert vary(augment, 0, *example())[0].shape == (32, 32, 3)
    with pytest.raises(ConfigError, match="keeps the size"):
        build("none", {"name": "Transpose", "p": 1.0}, extent=OBLONG)


@pytest.mark.slow
def test_nothing_is_asked_of_the_network() -> None:
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = refuse\n"
        "import segx.data.augment\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
