"""How fast each engine runs a model on this machine, and how well it agrees."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segx.inference.parity import flipped_on
from segx.inference.runtimes import Runtime
from segx.labels import Labels
from segx.spec import ModelSpec

__all__ = ["Timing", "noise_tiles", "tile_side", "time_runtime"]

_SIDE = 512


@dataclass(frozen=True)
class Timing:
    """How fast one engine ran, and how well it agreed with the reference.

    Args:
        about: Engine, device and precision.
        seconds: Seconds of each run of one tile, in order, after one to warm up.
        megapixels: Size of the tile, in 10⁶ pixels.
        flipped: Share of pixels that it decides otherwise than the reference.
    """

    about: str
    seconds: tuple[float, ...]
    megapixels: float
    flipped: float

    @property
    def median(self) -> float:
        """Seconds a tile."""
        return statistics.median(self.seconds)

    @property
    def speed(self) -> float:
        """Megapixels a second."""
        return self.megapixels / self.median


def time_runtime(
    runtime: Runtime,
    tiles: Sequence[NDArray[np.float32]],
    *,
    reference: Runtime,
    labels: Labels | None,
    repeats: int,
) -> Timing:
    """Compare an engine with the reference on all tiles, and time it on the first.

    Args:
        runtime: The engine.
        tiles: Shape (channels, rows, cols) each.
        reference: The engine that is trusted.
        labels: What the logits mean; None for a classifier.
        repeats: Number of timed runs.
    """
    flipped = flipped_on(runtime, reference, tiles, labels)
    first = tiles[0][np.newaxis]
    runtime.run(first)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        runtime.run(first)
        seconds.append(time.perf_counter() - start)
    pixels = first.shape[2] * first.shape[3]
    return Timing(runtime.about, tuple(seconds), pixels / 1e6, flipped)


def tile_side(spec: ModelSpec) -> int:
    """Side of a typical tile of a model, in pixels: 512 where it is chosen by scan."""
    if spec.resize:
        return max(spec.resize)
    tile = spec.inference.tile
    return _SIDE if tile == "auto" else tile


def noise_tiles(channels: int, side: int, *, count: int) -> list[NDArray[np.float32]]:
    """Patches of random brightness under noise, for want of real images.

    Returns:
        Arrays of shape (channels, side, side), of mean 0 and about the spread of
        normalised images.
    """
    rng = np.random.default_rng(0)
    patch = 16
    coarse = rng.standard_normal(
        (count, channels, -(-side // patch), -(-side // patch))
    )
    patches = coarse.repeat(patch, axis=2).repeat(patch, axis=3)[..., :side, :side]
    noise = rng.standard_normal(patches.shape)
    return list((0.4 * patches + 0.2 * noise).astype(np.float32))
