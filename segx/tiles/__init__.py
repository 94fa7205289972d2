"""Cut and stitch, exactly inverse."""

from segx.tiles.grid import tile_grid
from segx.tiles.stitch import stitch
from segx.tiles.window import BlendKind, blend_window

__all__ = ["BlendKind", "blend_window", "stitch", "tile_grid"]
