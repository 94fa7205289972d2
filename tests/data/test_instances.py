"""Boxes around the ids of an instance mask."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from segx.data.instances import boxes_of_ids

IDS = arrays(
    np.int32,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.sampled_from([0, 1, 4, 900, 70_000, 2**31 - 1]),
)


@given(ids=IDS)
def test_a_box_is_the_least_around_the_pixels_of_an_id(ids: NDArray[np.int32]) -> None:
    expected = []
    for number in np.unique(ids[ids > 0]):
        rows, cols = np.nonzero(ids == number)
        expected.append([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    assert boxes_of_ids(ids).tolist() == expected


@given(ids=arrays(np.int32, (3, 4), elements=st.sampled_from([1, 70_000])))
def test_a_mask_without_background_has_its_objects(ids: NDArray[np.int32]) -> None:
    assert len(boxes_of_ids(ids)) == len(np.unique(ids))
