"""Sizes, tiles and overlaps, drawn by hypothesis."""

from hypothesis import strategies as st

from segx.geometry import Extent


def extents(most: int = 80) -> st.SearchStrategy[Extent]:
    """Sizes of scans, thin ones among them."""
    sides = st.one_of(st.integers(1, 3), st.integers(1, most))
    return st.builds(Extent, sides, sides)


def overlaps() -> st.SearchStrategy[float]:
    """Shares of a tile's side."""
    return st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.9]), st.floats(0, 0.95))


@st.composite
def scans_and_tiles(draw: st.DrawFn) -> tuple[Extent, Extent]:
    """A scan, and a tile that fits in it."""
    scan = draw(extents())
    tile = st.builds(Extent, st.integers(1, scan.rows), st.integers(1, scan.cols))
    return scan, draw(tile)
