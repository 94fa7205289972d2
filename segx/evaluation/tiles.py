"""Tiles of a data set's cases, as the network reads them: to calibrate and compare."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.config import FitConfig
from segx.data.case import Case
from segx.data.layouts import read_layout
from segx.data.splits import Splits
from segx.data.splits_file import read_splits
from segx.errors import DataError
from segx.geometry import Extent, Region
from segx.inference.timing import tile_side
from segx.scans.channel_files import open_channels
from segx.scans.neighbours import read_with_neighbours
from segx.scans.resize import resize_image
from segx.spec import ModelSpec

__all__ = ["sample_tiles", "splits_of_run"]


def splits_of_run(
    config: FitConfig, recorded: Path, *, root: Path | None = None
) -> Splits:
    """The cases of a run by split, without a look into the images.

    Args:
        config: The config that the run was started with.
        recorded: The run's splits.csv.
        root: Another folder with the same layout; None for the run's own.

    Raises:
        DataError: If the data set is not there any more.
    """
    data = config.data
    if root is not None:
        data = data.model_copy(update={"root": root})
    return read_splits(recorded, read_layout(data, task=config.task))


def sample_tiles(
    cases: Sequence[Case], spec: ModelSpec, *, count: int, seed: int = 0
) -> list[NDArray[np.float32]]:
    """Cut tiles at random places of cases in turn; the same ones each time.

    Args:
        cases: Where to cut; each in turn, until there are enough.
        spec: How the model reads images, and the side of its tiles.
        count: Number of tiles, 1 or more.
        seed: Decides the places.

    Returns:
        Arrays of shape (channels, rows, cols); where an image is smaller than a tile,
        the whole image.

    Raises:
        DataError: If there are no cases.
        ScanError: If an image can't be read as the model reads it.
    """
    if not cases:
        raise DataError("There are no cases to cut tiles from.")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(cases)).tolist()
    return [_tile(cases[order[i % len(order)]], spec, rng) for i in range(count)]


def _tile(case: Case, spec: ModelSpec, rng: np.random.Generator) -> NDArray[np.float32]:
    """A tile somewhere in a case; where all images are resized, the whole image."""
    with open_channels(case.images, axis=spec.axis) as scan:
        whole = Region.whole(scan.extent)
        region = whole if spec.resize else _somewhere(scan.extent, spec, rng)
        pixels = read_with_neighbours(
            scan,
            region,
            plane=int(rng.integers(scan.planes)),
            neighbours=spec.neighbours,
            channels=spec.plane_channels,
        )
        intensity = spec.intensity.fitted_to(scan, neighbours=spec.neighbours)
    if spec.resize:
        pixels = resize_image(pixels, Extent(*spec.resize))
    normalised = intensity(pixels, source=case.image)
    return np.ascontiguousarray(np.moveaxis(normalised, 2, 0))


def _somewhere(extent: Extent, spec: ModelSpec, rng: np.random.Generator) -> Region:
    side = tile_side(spec)
    rows, cols = min(side, extent.rows), min(side, extent.cols)
    top = int(rng.integers(extent.rows - rows + 1))
    left = int(rng.integers(extent.cols - cols + 1))
    return Region(top, left, rows, cols)
