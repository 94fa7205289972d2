import io
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segx.data.alike import ALIKE_BITS, Signature, look_alikes, signature
from tests.data.clean import picture


def scene(seed: int) -> NDArray[np.uint8]:
    """A picture with detail of many sizes, as those of cameras and scanners."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(30, 220, (22, 26), np.uint8))
    smooth = np.asarray(coarse.resize((320, 240), Image.Resampling.BICUBIC), float)
    return np.clip(smooth + rng.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def sign(array: NDArray[np.generic]) -> Signature:
    found = signature(array if array.ndim == 3 else array[..., np.newaxis])
    assert found is not None
    return found


def apart(one: NDArray[np.generic], other: NDArray[np.generic]) -> int:
    return int((sign(one) != sign(other)).sum())


def as_jpeg(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "JPEG", quality=60)
    return np.asarray(Image.open(stream))


def resized(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    half = (array.shape[1] // 2, array.shape[0] // 2)
    return np.asarray(Image.fromarray(array).resize(half, Image.Resampling.BILINEAR))


@pytest.mark.parametrize(
    "change",
    [
        as_jpeg,
        resized,
        lambda array: array.astype(np.uint16) * 257,
        lambda array: np.stack([array] * 3, axis=2),
        lambda array: (array * 0.8 + 20).astype(np.uint8),
    ],
    ids=["jpeg", "half the size", "16 bits", "rgb", "dimmed"],
)
def test_the_same_picture_in_another_form_is_alike(change) -> None:  # noqa: ANN001
    """Nearly always: a scene that is all but flat may differ by a bit or two more."""
    scenes = [scene(seed) for seed in range(100)]
    bits = [apart(image, change(image)) for image in scenes]
    assert sum(found > ALIKE_BITS for found in bits) <= 1
    assert max(bits) <= ALIKE_BITS + 4


@given(st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=2, unique=True))
def test_other_pictures_are_not_alike(seeds: list[int]) -> None:
    assert apart(picture(seeds[0]), picture(seeds[1])) > 3 * ALIKE_BITS


def test_a_picture_of_nothing_has_no_signature() -> None:
    assert signature(np.zeros((8, 8, 1), np.uint8)) is None


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 40),
    st.integers(0, 255),
    st.integers(1, 64),
)
def test_pairs_are_those_of_two_plain_loops(
    seed: int, count: int, most: int, block: int
) -> None:
    rng = np.random.default_rng(seed)
    bits = rng.random((count, 255)) < 0.5
    bits[count // 2 :] = bits[: count - count // 2] ^ (rng.random(255) < 0.03)
    names = [f"case {number}" for number in range(count)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segx.data.alike._BLOCK", block)
        one_by_one = look_alikes(dict(zip(names, bits, strict=True)), most=most)
        assert isinstance(one_by_one, Iterator)  # a list of all may be too long
        found = list(one_by_one)
    expected = [
        (names[one], names[two], int((bits[one] != bits[two]).sum()))
        for one in range(count)
        for two in range(one + 1, count)
        if (bits[one] != bits[two]).sum() <= most
    ]
    assert [(pair.first, pair.second, pair.bits) for pair in found] == expected
