"""How a scan is cut up for the network."""

from dataclasses import dataclass
from typing import Self

from segx.config.schema import InferenceConfig
from segx.errors import TilingError
from segx.geometry import Extent
from segx.tiles.window import BlendKind

__all__ = ["TilePlan"]

# Scans smaller than a tile are padded only so far: networks halve sizes five times.
_MULTIPLE = 32


@dataclass(frozen=True)
class TilePlan:
    """Size, overlap and weights of the tiles, and how many run at once.

    Args:
        tile: Side of a tile, in pixels.
        overlap: Least share of a tile's side that its neighbour covers too, in [0, 1).
        blend: How the weight of a pixel falls towards a tile's border.
        batch_size: Number of tiles in one run of the network.

    Raises:
        TilingError: If a number is out of range.
    """

    tile: int = 512
    overlap: float = 0.25
    blend: BlendKind = "gaussian"
    batch_size: int = 1

    def __post_init__(self) -> None:
        if self.tile < 1 or self.batch_size < 1 or not 0 <= self.overlap < 1:
            raise TilingError(
                f"Tiles of {self.tile} px, overlap {self.overlap:g} and batches of "
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
        batch_size: int | None = None,
    ) -> Self:
        """The plan that a model is stored with; what is given here takes its place."""
        return cls(
            tile=config.tile if tile is None else tile,
            overlap=config.overlap if overlap is None else overlap,
            blend=config.blend,
            batch_size=config.batch_size if batch_size is None else batch_size,
        )

    def tile_for(self, scan: Extent) -> Extent:
        """Size of the tiles for a scan: smaller ones for a scan that is smaller.

        Examples:
            >>> TilePlan(tile=512).tile_for(Extent(4000, 100))
            Extent(rows=512, cols=128)
        """
        return Extent(
            min(self.tile, _rounded_up(scan.rows)),
            min(self.tile, _rounded_up(scan.cols)),
        )


def _rounded_up(side: int) -> int:
    return -(-side // _MULTIPLE) * _MULTIPLE
