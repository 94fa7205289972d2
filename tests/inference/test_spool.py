"""Rows that were whole when a process was killed are there for the next."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.inference.spool import Spool


@given(
    rows=st.integers(0, 9),
    torn=st.integers(0, 11),
    shape=st.sampled_from([(4,), (2, 3)]),
    dtype=st.sampled_from([np.uint8, np.float16]),
)
def test_whole_rows_survive_and_a_torn_one_is_cut_off(
    tmp_path_factory: object, rows: int, torn: int, shape: tuple[int, ...], dtype: type
) -> None:
    path: Path = tmp_path_factory.mktemp("spool") / "a.spool"  # type: ignore[attr-defined]
    values = np.arange(rows * int(np.prod(shape))).reshape(rows, *shape).astype(dtype)
    row_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    with Spool(path, row_shape=shape, dtype=dtype) as spool:
        spool.append(values)
    with path.open("ab") as file:
        file.write(bytes(torn % row_bytes))
    with Spool(path, row_shape=shape, dtype=dtype) as spool:
        assert spool.rows == rows
        assert path.stat().st_size == rows * row_bytes
        assert np.array_equal(spool.read(0, rows), values)
        spool.append(np.ones((1, *shape), dtype))
        assert (spool.read(rows, 1) == 1).all()


def test_rows_can_be_taken_back(tmp_path: Path) -> None:
    with Spool(tmp_path / "deep" / "a", row_shape=(3,), dtype=np.uint8) as spool:
        spool.append(np.full((4, 3), 7, np.uint8))
        spool.resize(2)
        assert spool.rows == 2
        spool.append(np.full((1, 3), 9, np.uint8))
        assert spool.read(1, 2).tolist() == [[7, 7, 7], [9, 9, 9]]


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="not on this system")
def test_rows_that_are_filled_up_have_their_place_on_the_disk(tmp_path: Path) -> None:
    with Spool(tmp_path / "a", row_shape=(1000,), dtype=np.uint8) as spool:
        spool.resize(1000)
        assert spool.path.stat().st_blocks * 512 >= 10**6
        assert not spool.planes(1).any()
