"""Overlapping blocks become one scan again, band by band."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from segx.errors import TilingError
from segx.geometry import Extent, Region, Tile

__all__ = ["stitch"]


def stitch(
    extent: Extent,
    blocks: Iterable[tuple[Tile, NDArray[np.float32]]],
    *,
    blend: NDArray[np.float32],
    first_row: int = 0,
) -> Iterator[tuple[Region, NDArray[np.float32]]]:
    """Average overlapping blocks and give back finished rows as soon as they are.

    A row is finished when the next row of tiles begins below it. Only the rows of one
    tile are in memory, so that it grows with a scan's width and not with its height.

    Args:
        extent: Size of the scan, in pixels.
        blocks: Tiles of equal size in reading order, as `tile_grid` gives them, each
            with its values, shape (channels, rows, cols).
        blend: Weight of each pixel of a block, shape (rows, cols), greater than zero.
        first_row: Where to begin: the top of a row of tiles. Tiles that end above it
            may be left out; the bands are the same as those of a whole pass.

    Yields:
        Bands of the scan's full width, from `first_row` down: where, and the weighted
        means, shape (channels, rows, cols). Together they cover the rows once.

    Raises:
        TilingError: If tiles come out of order, don't fit the scan or the weights, or
            leave a pixel out.
    """
    band: _Band | None = None
    for tile, values in blocks:
        if band is None:
            band = _Band(extent, blend, channels=len(values), top=first_row)
        if tile.top > band.top:
            yield band.finish(tile.top)
        band.add(tile, values)
    if band is None:
        raise TilingError(f"No tiles were given for a scan of {extent} px.")
    yield band.finish(extent.rows)


class _Band:
    """Weighted sums over the rows that tiles may still be added to."""

    def __init__(
        self, extent: Extent, blend: NDArray[np.float32], *, channels: int, top: int
    ) -> None:
        self.top = top
        self._extent = extent
        self._blend = blend
        rows = blend.shape[0]
        self._sums = np.zeros((channels, rows, extent.cols), np.float32)
        self._weights = np.zeros((rows, extent.cols), np.float32)

    def add(self, tile: Tile, values: NDArray[np.float32]) -> None:
        """Add the rows of a block that are not finished yet."""
        fits = (
            tile.top <= self.top < tile.bottom
            and tile.left >= 0
            and tile.right <= self._extent.cols
            and tile.bottom <= self._extent.rows
            and values.shape == (len(self._sums), *self._blend.shape)
            and (tile.rows, tile.cols) == self._blend.shape
        )
        if not fits:
            raise TilingError(
                f"{tile} with values {values.shape} does not continue row {self.top} "
                f"of a scan of {self._extent} px with weights {self._blend.shape}. "
                "Give equal tiles in reading order, as tile_grid does."
            )
        done = self.top - tile.top
        place = slice(tile.rows - done), slice(tile.left, tile.right)
        blend = self._blend[done:]
        self._sums[:, *place] += values[:, done:] * blend
        self._weights[place] += blend

    def finish(self, bottom: int) -> tuple[Region, NDArray[np.float32]]:
        """Give the rows above `bottom` and move on to those below."""
        region = Region(self.top, 0, bottom - self.top, self._extent.cols)
        weights = self._weights[: region.rows]
        if len(weights) < region.rows or not weights.all():
            raise TilingError(
                f"Rows {self.top} to {bottom} of a scan of {self._extent} px are not "
                "covered by tiles. Give every tile of the grid."
            )
        means = self._sums[:, : region.rows] / weights
        _move_up(self._sums, region.rows)
        _move_up(self._weights, region.rows)
        self.top = bottom
        return region, means


def _move_up(sums: NDArray[np.float32], rows: int) -> None:
    """Drop the first rows of a buffer, and fill it up with zeros below."""
    kept = sums.shape[-2] - rows
    sums[..., :kept, :] = sums[..., rows:, :]
    sums[..., kept:, :] = 0
