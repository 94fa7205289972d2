"""Where the tiles lie that cover a scan."""

import math

from segx.errors import TilingError
from segx.geometry import Extent, Tile

__all__ = ["cover", "share_px", "spans", "tile_grid"]

# 100 * (1 - 0.9) is 9.999999999999998 in floating point, and ten pixels are meant.
_ROUNDING = 1e-9


def tile_grid(scan: Extent, tile: Extent, *, overlap: float) -> list[Tile]:
    """Cover a scan with the fewest equal tiles that share at least `overlap`.

    The stride shrinks evenly, so the last tile ends exactly at the border: no tile
    leaves the scan, no pixel is left out. Strides are at least one pixel, whatever
    the overlap.

    Args:
        scan: Size of the scan, in pixels.
        tile: Size of one tile, in pixels; on neither axis larger than `scan`.
        overlap: Least share of a tile's side that its neighbour covers too, in [0, 1).

    Returns:
        Tiles in reading order: rows from the top, each row from the left.

    Raises:
        TilingError: If `overlap` is outside [0, 1) or `tile` does not fit in `scan`.

    References:
        Even strides after Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.

    Examples:
        >>> [t.top for t in tile_grid(Extent(110, 64), Extent(64, 64), overlap=0.5)]
        [0, 23, 46]
    """
    if not 0 <= overlap < 1:
        raise TilingError(
            f"An overlap of {overlap:g} was asked for; it is a share of a tile's side, "
            "from 0 to below 1. Take 0.25, or 0.5 for softer seams."
        )
    shared = Extent(share_px(tile.rows, overlap), share_px(tile.cols, overlap))
    return cover(scan, tile, overlap_px=shared)


def cover(scan: Extent, tile: Extent, *, overlap_px: Extent) -> list[Tile]:
    """Cover a scan as `tile_grid` does, with an overlap that is given in pixels.

    Args:
        scan: Size of the scan, in pixels.
        tile: Size of one tile, in pixels; on neither axis larger than `scan`.
        overlap_px: Least rows and columns that neighbours share, each less than the
            tile's.

    Raises:
        TilingError: If `tile` does not fit in `scan`.
    """
    if min(tile.rows, tile.cols) < 1 or tile.rows > scan.rows or tile.cols > scan.cols:
        raise TilingError(
            f"A tile of {tile} px does not fit in a scan of {scan} px. Take a tile of "
            f"at most {min(scan.rows, scan.cols)} px, or pad the scan first."
        )
    tops = _starts(scan.rows, tile.rows, overlap_px.rows)
    lefts = _starts(scan.cols, tile.cols, overlap_px.cols)
    return [
        Tile(top, left, tile.rows, tile.cols, grid_row=row, grid_col=col)
        for row, top in enumerate(tops)
        for col, left in enumerate(lefts)
    ]


def share_px(side: int, share: float) -> int:
    """Least number of pixels that are a share of a tile's side; less than the side."""
    return side - max(1, math.floor(side * (1 - share) + _ROUNDING))


def spans(length: int, side: int, overlap_px: int) -> int:
    """The fewest spans of `side` that cover `length` and share at least `overlap_px`.

    Examples:
        >>> spans(110, 64, 32)
        3
    """
    return 1 + max(0, math.ceil((length - side) / (side - overlap_px)))


def _starts(length: int, side: int, overlap_px: int) -> list[int]:
    """First pixels of the fewest evenly spread spans of `side` that cover `length`."""
    gaps = spans(length, side, overlap_px) - 1
    slack = length - side
    return [slack * index // max(1, gaps) for index in range(gaps + 1)]
