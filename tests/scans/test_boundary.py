import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segx.scans.boundary import Outline, Tracer


def _trace(mask: np.ndarray, band: int) -> list[Outline]:
    tracer = Tracer(mask.shape[1])
    found = []
    for top in range(0, len(mask), band):
        found += tracer.add(mask[top : top + band])
    return found + tracer.finish()


@given(
    rows=st.integers(1, 20),
    cols=st.integers(1, 20),
    density=st.floats(0, 1),
    band=st.integers(1, 20),
    seed=st.integers(0, 999),
)
def test_rings_go_along_the_sides_of_pixels_with_the_area_to_the_right(
    rows: int, cols: int, density: float, band: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).random((rows, cols)) < density
    framed = np.pad(mask, 1)
    outlines = _trace(mask, band)
    sides = 0
    for ring in (ring for outline in outlines for ring in outline.rings):
        assert len(set(ring)) == len(ring)
        for (x, y), (next_x, next_y) in zip(ring, [*ring[1:], ring[0]], strict=True):
            steps = max(abs(next_x - x), abs(next_y - y))
            right, down = (next_x - x) // steps, (next_y - y) // steps
            assert abs(right) + abs(down) == 1
            sides += steps
            # The pixels on both sides of the first step, in the framed mask.
            row, col = y + max(down, 0), x + max(right, 0)
            inside = framed[row + max(right, 0), col + max(-down, 0)]
            outside = framed[row + max(-right, 0), col + max(down, 0)]
            assert inside
            assert not outside
    across, below = np.diff(framed, axis=1), np.diff(framed, axis=0)
    assert sides == across.sum() + below.sum()
    assert outlines == _trace(mask, rows)
    assert [item.end for item in outlines] == sorted(item.end for item in outlines)


def test_an_area_is_given_back_and_forgotten_when_it_ends() -> None:
    tracer = Tracer(100)
    cells = np.zeros((10, 100), np.bool_)
    cells[2:8, 1::3] = True
    for _ in range(50):
        assert len(tracer.add(cells)) == 33
        assert len(tracer._edges) == len(tracer._next) == len(tracer._links) == 0
    assert tracer.finish() == []


def test_a_second_mask_begins_at_row_0() -> None:
    tracer = Tracer(2)
    mask = np.ones((3, 2), np.bool_)
    outlines = []
    for _ in range(2):
        assert tracer.add(mask) == []
        outlines += tracer.finish()
    assert outlines[0] == outlines[1]
    assert outlines[0].rings == ([(0, 0), (2, 0), (2, 3), (0, 3)],)
