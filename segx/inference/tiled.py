"""Tile, run and blend: the middle of the story, without a file."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from segx.errors import ModelError
from segx.geometry import Extent, Region, Tile
from segx.inference.ahead import ahead
from segx.inference.frugal import Frugal
from segx.inference.plan import TilePlan
from segx.labels import Labels
from segx.scans.resize import resize_image
from segx.tiles.stitch import stitch
from segx.tiles.window import blend_window

__all__ = [
    "Read",
    "Run",
    "background",
    "predict_bands",
    "predict_image",
    "resize_probabilities",
]

Read = Callable[[Region], NDArray[np.float32]]
"""Gives a region, normalised, shape (channels, rows, cols)."""

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From tiles (n, channels, rows, cols) to probabilities (n, classes, rows, cols)."""

# Batches of tiles that are read before the network is ready for them.
_READ_AHEAD = 2


def predict_bands(
    run: Run,
    read: Read,
    extent: Extent,
    *,
    labels: Labels,
    plan: TilePlan,
    is_empty: Callable[[Region], bool] | None = None,
    first_row: int = 0,
    extra: int = 0,
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    """Tile, run and blend a scan of any size, in memory that grows with its width.

    Tiles are read in a thread while the network runs on earlier ones. A scan that is
    smaller than a tile is padded by reflection, and cropped back. A batch that the
    device has too little memory for is halved until it fits.

    Args:
        run: The network.
        read: Reads from the scan.
        extent: Size of what `read` reads from.
        labels: What the network's classes mean.
        plan: How to cut.
        is_empty: Tells regions that show nothing: they are background, and the network
            is spared them.
        first_row: Row to begin at; one at which a band begins.
        extra: Number of channels that `run` gives behind the classes; 0 in blank tiles.

    Yields:
        Bands of full width from the top: where, and probabilities, shape (classes +
        extra, rows, cols).
    """
    frame, tile, grid = plan.tiling(extent)
    grid = [item for item in grid if item.bottom > first_row]
    blank = set() if is_empty is None else {item for item in grid if is_empty(item)}
    wanted = [item for item in grid if item not in blank]
    batches = _batches(wanted, read, extent=extent, size=plan.batch_size)
    found = _run(Frugal(run), ahead(batches, depth=_READ_AHEAD))
    nothing = background(labels, tile, extra=extra)
    blocks = ((item, nothing if item in blank else next(found)) for item in grid)
    window = blend_window(tile, kind=plan.blend)
    for region, band in stitch(frame, blocks, blend=window, first_row=first_row):
        inside = region.within(extent)
        yield inside, band[:, : inside.rows, : inside.cols]


def predict_image(
    run: Run,
    image: NDArray[np.float32],
    *,
    labels: Labels,
    plan: TilePlan,
) -> NDArray[np.float32]:
    """Predict an image in memory.

    Args:
        run: The network.
        image: Normalised, shape (channels, rows, cols).
        labels: What the network's classes mean.
        plan: How to cut.

    Returns:
        Probabilities, shape (classes, rows, cols).
    """
    bands = predict_bands(
        run,
        lambda region: image[:, *region.slices],
        Extent(*image.shape[1:]),
        labels=labels,
        plan=plan,
    )
    return np.concatenate([band for _, band in bands], axis=1)


def background(
    labels: Labels, extent: Extent, *, extra: int = 0
) -> NDArray[np.float32]:
    """Probabilities where there is nothing, shape (classes + extra, rows, cols)."""
    values = np.zeros((labels.logits + extra, extent.rows, extent.cols), np.float32)
    if labels.kind == "multiclass":
        values[0] = 1
    return values


def resize_probabilities(
    probabilities: NDArray[np.float32], extent: Extent
) -> NDArray[np.float32]:
    """Resize probabilities, shape (classes, rows, cols), to a scan's own size."""
    return np.moveaxis(resize_image(np.moveaxis(probabilities, 0, 2), extent), 2, 0)


def _batches(
    tiles: Sequence[Tile], read: Read, *, extent: Extent, size: int
) -> Iterator[NDArray[np.float32]]:
    """Read tiles in batches, shape (n, channels, rows, cols).

    No batch reaches into the next row of tiles: where a scan is begun anew at a band,
    the same tiles run together, and give the same values to the last bit.
    """
    for _, row in groupby(tiles, key=lambda tile: tile.grid_row):
        images = [(tile, tile.within(extent)) for tile in row]
        for first in range(0, len(images), size):
            batch = images[first : first + size]
            yield np.stack([_padded(read(part), tile.extent) for tile, part in batch])


def _run(
    run: Frugal[NDArray[np.float32]], batches: Iterator[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Probabilities of each tile, (classes, rows, cols)."""
    for tiles in batches:
        for probabilities in run(tiles):
            if probabilities.shape[2:] != tiles.shape[2:]:
                raise ModelError(
                    f"The network puts out masks of {probabilities.shape[2:]} px for "
                    f"tiles of {tiles.shape[2:]} px; they must be of equal size."
                )
            yield from probabilities


def _padded(image: NDArray[np.float32], tile: Extent) -> NDArray[np.float32]:
    """Continue an image (channels, rows, cols) downwards and to the right."""
    missing = (tile.rows - image.shape[1], tile.cols - image.shape[2])
    return np.pad(image, ((0, 0), (0, missing[0]), (0, missing[1])), mode="reflect")
