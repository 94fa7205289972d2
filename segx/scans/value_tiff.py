"""Maps of numbers, such as probabilities, as a tiled TIFF."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from segx.atomic import replacing
from segx.scans.damage import writing
from segx.scans.scan import Scan
from segx.scans.tiff_tiles import TILE, cut, resolution_tags

__all__ = ["write_values"]

_LARGEST_CLASSIC = 2**31  # bytes before compression: well inside 32-bit offsets


def write_values(
    path: Path,
    rows: Callable[[int, int], NDArray[Any]],
    *,
    like: Scan,
    names: tuple[str, ...],
) -> None:
    """Write maps the size of a scan, whole or not at all; no more than a band is held.

    Args:
        path: Where to.
        rows: Gives `count` rows from row `first` on, counted over all planes, shape
            (count, cols, maps), as floating-point numbers.
        like: The scan whose size and pixel size the maps take.
        names: One name a map.

    Raises:
        ScanError: If the file can't be written.
    """
    extent, maps = like.extent, len(names)
    shape = (like.planes, maps, extent.rows, extent.cols)
    is_big = 4 * int(np.prod(shape)) > _LARGEST_CLASSIC
    with (
        writing(path),
        replacing(path) as temporary,
        TiffWriter(temporary, bigtiff=is_big) as writer,
    ):
        writer.write(
            _tiles(rows, like, maps),
            shape=shape,
            dtype=np.float32,
            tile=(TILE.rows, TILE.cols),
            compression="zlib",
            predictor=True,
            photometric="minisblack",
            description=f"segx: {', '.join(names)}",
            software="segx",
            metadata=None,
            **resolution_tags(like.spacing_mm),
        )


def _tiles(
    rows: Callable[[int, int], NDArray[Any]], like: Scan, maps: int
) -> Iterator[NDArray[np.float32]]:
    """Tiles in the file's order: planes, maps, rows, columns."""
    extent = like.extent
    for plane in range(like.planes):
        for index in range(maps):
            for top in range(0, extent.rows, TILE.rows):
                count = min(TILE.rows, extent.rows - top)
                band = rows(plane * extent.rows + top, count)[..., index]
                yield from cut(band.astype(np.float32))
