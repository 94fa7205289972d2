"""How a scan is cut up for the network."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Self

from segx.config.schema import InferenceConfig
from segx.errors import TilingError
from segx.geometry import Extent, Tile
from segx.tiles.grid import cover, share_px, spans
from segx.tiles.window import BlendKind

__all__ = ["BAND_PIXELS", "LARGEST_TILE", "OVERLAP_PX", "TilePlan", "Tiling"]

LARGEST_TILE = 1024
"""Longest side of a tile that is chosen for a scan, in pixels."""

BAND_PIXELS = 2**24
"""Most pixels of a scan's full width that tiles are high, where a tile is chosen.

Rows are blended in memory until no further tile reaches them. A wide scan gets lower
tiles, but not below `_LOWEST_BAND`, where more overlap would cost more than it saves.
"""

OVERLAP_PX = 64
"""Least overlap of tiles that are chosen for a scan.

What a network computes twice costs time and buys smooth seams; seams were as good with
64 px as with 128 (scripts/bench/seams.py).
"""

# Networks halve sizes five times.
_MULTIPLE = 32
_LOWEST_BAND = 512


class Tiling(NamedTuple):
    """The tiles of one scan.

    Args:
        frame: Size of the scan, or of a tile where the scan is smaller.
        tile: Size of each tile.
        tiles: The tiles, in reading order; they cover the frame.
    """

    frame: Extent
    tile: Extent
    tiles: list[Tile]


@dataclass(frozen=True)
class TilePlan:
    """Size, overlap and weights of the tiles, and how many run at once.

    Args:
        tile: Side of a tile, in pixels; None chooses height and width for each scan, so
            that the network computes as few pixels as can be.
        overlap: Least share of a tile's side that its neighbour covers too, in [0, 1);
            None takes `OVERLAP_PX`, or a quarter of a small tile's side.
        blend: How the weight of a pixel falls towards a tile's border.
        batch_size: Number of tiles in one run of the network.

    Raises:
        TilingError: If a number is out of range.
    """

    tile: int | None = None
    overlap: float | None = None
    blend: BlendKind = "hann"
    batch_size: int = 1

    def __post_init__(self) -> None:
        tile = 1 if self.tile is None else self.tile
        overlap = 0.0 if self.overlap is None else self.overlap
        if tile < 1 or self.batch_size < 1 or not 0 <= overlap < 1:
            raise TilingError(
                f"Tiles of {tile} px, overlap {overlap:g} and batches of "
                f"{self.batch_size} can't be planned. Tile and batch are at least 1, "
                "the overlap from 0 to below 1."
            )

    @classmethod
    def from_config(
        cls,
        config: InferenceConfig,
        *,
        tile: int | None = None,
        overlap: float | None = None,
        blend: BlendKind | None = None,
        batch_size: int | None = None,
    ) -> Self:
        """The plan that a model is stored with; what is given here takes its place."""
        own_tile = None if config.tile == "auto" else config.tile
        own_overlap = None if config.overlap == "auto" else config.overlap
        return cls(
            tile=own_tile if tile is None else tile,
            overlap=own_overlap if overlap is None else overlap,
            blend=blend or config.blend,
            batch_size=config.batch_size if batch_size is None else batch_size,
        )

    def tiling(self, scan: Extent) -> Tiling:
        """Cut a scan; one that is smaller than a tile gets a frame of the tile's size.

        Examples:
            >>> frame, tile, tiles = TilePlan().tiling(Extent(4096, 100))
            >>> tile, len(tiles)
            (Extent(rows=736, cols=128), 6)
        """
        tile = self.tile_for(scan)
        frame = Extent(max(tile.rows, scan.rows), max(tile.cols, scan.cols))
        shared = Extent(self.overlap_px(tile.rows), self.overlap_px(tile.cols))
        return Tiling(frame, tile, cover(frame, tile, overlap_px=shared))

    def tile_for(self, scan: Extent) -> Extent:
        """Size of the tiles for a scan: smaller ones for a scan that is smaller.

        Examples:
            >>> TilePlan(tile=512).tile_for(Extent(4000, 100))
            Extent(rows=512, cols=128)
            >>> TilePlan().tile_for(Extent(20_000, 20_000))
            Extent(rows=832, cols=1024)
        """
        highest = min(LARGEST_TILE, max(_LOWEST_BAND, BAND_PIXELS // scan.cols))
        return Extent(
            self._side(scan.rows, largest=highest),
            self._side(scan.cols, largest=LARGEST_TILE),
        )

    def _side(self, length: int, *, largest: int) -> int:
        """Side of a tile along an axis of the scan."""
        if self.tile is not None:
            return min(self.tile, -(-length // _MULTIPLE) * _MULTIPLE)
        sides = range(_MULTIPLE, largest + 1, _MULTIPLE)
        return min(sides, key=partial(self._cost, length))

    def _cost(self, length: int, side: int) -> tuple[int, int]:
        """Pixels that are computed along an axis, and the number of tiles."""
        count = spans(length, side, self.overlap_px(side))
        return count * side, count

    def overlap_px(self, side: int) -> int:
        """Least number of pixels that tiles of that side share along an axis."""
        if self.overlap is not None:
            return share_px(side, self.overlap)
        return min(OVERLAP_PX, side // 4)
