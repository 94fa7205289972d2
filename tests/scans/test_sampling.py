import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segx.scans.memory import ArrayScan
from segx.scans.sampling import in_bands, spread_pixels

SIDE = st.integers(1, 40)


@given(SIDE, SIDE, st.integers(1, 50), st.data())
def test_the_same_pixels_are_taken_however_the_image_is_cut(
    rows: int, cols: int, most: int, data: st.DataObject
) -> None:
    image = np.arange(rows * cols).reshape(rows, cols, 1)
    cuts = sorted(data.draw(st.sets(st.integers(1, rows))) | {rows})
    pieces = [image[top:end] for top, end in zip([0, *cuts], cuts, strict=False)]
    taken = spread_pixels(pieces, total=image.size, most=most)
    assert np.array_equal(taken, spread_pixels([image], total=image.size, most=most))
    assert len(taken) == min(most, image.size)
    assert taken[0] == 0
    gaps = np.diff(taken[:, 0])
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


@given(SIDE, SIDE)
def test_bands_are_the_scan_in_reading_order(rows: int, cols: int) -> None:
    image = np.arange(rows * cols).reshape(rows, cols, 1)
    assert np.array_equal(np.concatenate(list(in_bands(ArrayScan(image)))), image)
