"""Tile, run and blend: the middle of the story, without a file."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from segx.errors import ModelError
from segx.geometry import Extent, Region, Tile
from segx.inference.plan import TilePlan
from segx.inference.runtimes import Runtime
from segx.labels import Labels
from segx.masks.activation import to_probabilities
from segx.scans.resize import resize_image
from segx.tiles.grid import tile_grid
from segx.tiles.stitch import stitch
from segx.tiles.window import blend_window

__all__ = ["predict_bands", "predict_image", "resize_probabilities"]


def predict_bands(
    runtime: Runtime,
    read: Callable[[Region], NDArray[np.float32]],
    extent: Extent,
    *,
    labels: Labels,
    plan: TilePlan,
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    """Tile, run and blend a scan of any size, in memory that grows with its width.

    A scan that is smaller than a tile is padded by reflection, and cropped back.

    Args:
        runtime: The engine.
        read: Gives a region, normalised, shape (channels, rows, cols).
        extent: Size of what `read` reads from.
        labels: What the network's logits mean.
        plan: How to cut.

    Yields:
        Bands of full width from the top: where, and probabilities, shape (classes,
        rows, cols).
    """
    tile = plan.tile_for(extent)
    frame = Extent(max(tile.rows, extent.rows), max(tile.cols, extent.cols))
    grid = tile_grid(frame, tile, overlap=plan.overlap)
    blocks = _run(runtime, read, grid, extent=extent, labels=labels, plan=plan)
    window = blend_window(tile, kind=plan.blend)
    for region, band in stitch(frame, blocks, blend=window):
        inside = _inside(region, extent)
        yield inside, band[:, : inside.rows, : inside.cols]


def predict_image(
    runtime: Runtime,
    image: NDArray[np.float32],
    *,
    labels: Labels,
    plan: TilePlan,
) -> NDArray[np.float32]:
    """Predict an image in memory.

    Args:
        runtime: The engine.
        image: Normalised, shape (channels, rows, cols).
        labels: What the network's logits mean.
        plan: How to cut.

    Returns:
        Probabilities, shape (classes, rows, cols).
    """
    bands = predict_bands(
        runtime,
        lambda region: image[:, *region.slices],
        Extent(*image.shape[1:]),
        labels=labels,
        plan=plan,
    )
    return np.concatenate([band for _, band in bands], axis=1)


def resize_probabilities(
    probabilities: NDArray[np.float32], extent: Extent
) -> NDArray[np.float32]:
    """Resize probabilities, shape (classes, rows, cols), to a scan's own size."""
    return np.moveaxis(resize_image(np.moveaxis(probabilities, 0, 2), extent), 2, 0)


def _run(
    runtime: Runtime,
    read: Callable[[Region], NDArray[np.float32]],
    grid: Sequence[Tile],
    *,
    extent: Extent,
    labels: Labels,
    plan: TilePlan,
) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
    """Run all tiles in batches; each with its probabilities, (classes, rows, cols)."""
    for first in range(0, len(grid), plan.batch_size):
        batch = grid[first : first + plan.batch_size]
        images = [_padded(read(_inside(tile, extent)), tile.extent) for tile in batch]
        logits = runtime.run(np.stack(images))
        if logits.shape[2:] != images[0].shape[1:]:
            raise ModelError(
                f"The network puts out masks of {logits.shape[2:]} px for tiles of "
                f"{images[0].shape[1:]} px; they must be of equal size."
            )
        yield from zip(batch, to_probabilities(logits, labels, axis=1), strict=True)


def _inside(region: Region, extent: Extent) -> Region:
    """The part of a padded frame's region that is scan."""
    rows = min(region.bottom, extent.rows) - region.top
    cols = min(region.right, extent.cols) - region.left
    return Region(region.top, region.left, rows, cols)


def _padded(image: NDArray[np.float32], tile: Extent) -> NDArray[np.float32]:
    """Continue an image (channels, rows, cols) downwards and to the right."""
    missing = (tile.rows - image.shape[1], tile.cols - image.shape[2])
    return np.pad(image, ((0, 0), (0, missing[0]), (0, missing[1])), mode="reflect")
