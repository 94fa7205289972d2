"""An engine that decides otherwise is given up, and that is said."""

import logging
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from segx.inference.parity import PARITY_LIMIT, flipped_on, flipped_share, parity
from segx.labels import Labels
from segx.masks.activation import to_probabilities
from segx.masks.decide import decide
from tests.inference.stubs import BINARY, LAYERS, THREE


@dataclass(frozen=True)
class Fixed:
    logits: NDArray[np.float32]
    about: str = "fixed"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.logits


def noise(classes: int, *, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((2, classes, 20, 30), np.float32)


def flipped(count: int) -> NDArray[np.float32]:
    """Binary logits of which so many differ in sign from ones of the other."""
    logits = np.ones((2, 1, 20, 50), np.float32)
    logits.reshape(-1)[:count] = -1
    return logits


@pytest.mark.parametrize("labels", [BINARY, THREE, LAYERS])
def test_the_share_is_that_of_the_masks(labels: Labels) -> None:
    one, two = noise(labels.logits), noise(labels.logits, seed=1)
    masks = [
        np.stack([decide(to_probabilities(tile, labels), labels) for tile in logits])
        for logits in (one, two)
    ]
    differ = masks[0] != masks[1]
    differ = differ.any(axis=-1) if labels.kind == "multilabel" else differ
    assert flipped_share(one, two, labels) == pytest.approx(differ.mean())
    assert flipped_share(one, one, labels) == 0


def test_a_classifiers_images_are_counted() -> None:
    one = np.array([[1, 2], [3, 0], [0, 1], [1, 0]], np.float32)
    assert flipped_share(one, one[:, ::-1], None) == 1
    assert flipped_share(one, one[[0, 1, 2, 2]], None) == 0.25


def test_logits_that_are_no_numbers_count_as_decided_otherwise() -> None:
    logits = noise(3)
    broken = logits.copy()
    broken[0, 1, :10] = np.nan
    broken[1, 2, :, :3] = np.inf
    assert flipped_share(broken, logits, THREE) == pytest.approx((300 + 60) / 1200)


def test_an_engine_within_the_limit_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    most = int(PARITY_LIMIT * 2000)
    fast, trusted = Fixed(flipped(most), "fast"), Fixed(flipped(0), "trusted")
    with caplog.at_level(logging.INFO, logger="segx"):
        assert parity(fast, trusted, noise(3), BINARY) == 1 - PARITY_LIMIT
    assert caplog.text == ""


def test_one_beyond_it_falls_back_and_says_by_how_much(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fast, trusted = Fixed(flipped(11), "fast"), Fixed(flipped(0), "trusted")
    with caplog.at_level(logging.WARNING, logger="segx"):
        assert parity(fast, trusted, noise(3), BINARY) is None
    assert "fast is not used: 0.55% of the pixels" in caplog.text


def test_the_reference_is_not_run_against_itself() -> None:
    class Unused:
        about = "unused"

        def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
            raise AssertionError

    one = Unused()
    assert parity(one, one, noise(3), BINARY) == 1
    assert parity(one, Unused(), noise(3)[:0], BINARY) == 1


def test_tiles_of_several_sizes_count_alike() -> None:
    class Bright:
        about = "bright"

        def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
            return tiles

    tiles = [np.full((1, 4, 4), -1, np.float32), np.ones((1, 9, 9), np.float32)]
    ones = Fixed(np.ones((1, 1, 1, 1), np.float32))
    assert flipped_on(Bright(), ones, tiles, BINARY) == 0.5
