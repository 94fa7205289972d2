"""Finished rows on disk: what a prediction that was killed goes on from."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from segx.scans.closing import Closing
from segx.scans.damage import writing

__all__ = ["Spool"]


class Spool(Closing):
    """A file of rows, plane after plane, that grows as they are finished.

    Rows count once they are whole and on the disk; what a killed process left of a
    further row is cut off.

    Args:
        path: The file; what an earlier process wrote to it is kept.
        row_shape: Shape of one row, such as (cols,) or (cols, classes).
        dtype: Type of the values.
    """

    def __init__(
        self, path: Path, *, row_shape: tuple[int, ...], dtype: DTypeLike
    ) -> None:
        self.path = path
        self.row_shape = row_shape
        self._dtype = np.dtype(dtype)
        self._row_bytes = int(np.prod(row_shape)) * self._dtype.itemsize
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: what a full disk refused would be tried again at the close.
        self._file = path.open("a+b", buffering=0)
        self.resize(self.rows)

    @property
    def rows(self) -> int:
        """Number of whole rows."""
        return self._file.seek(0, os.SEEK_END) // self._row_bytes

    def resize(self, rows: int) -> None:
        """Have `rows` rows: cut off what follows, or fill up with zeros.

        Raises:
            OSError: If the disk has no room for them.
        """
        before, size = self.rows, rows * self._row_bytes
        self._file.truncate(size)
        if rows > before and hasattr(os, "posix_fallocate"):
            # Else a full disk would kill the process where `planes` are written to.
            os.posix_fallocate(self._file.fileno(), 0, size)

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows, shape (n, *row_shape), and wait until they are on the disk.

        Raises:
            ScanError: If they can't be written, such as where the disk is full.
        """
        left = np.ascontiguousarray(rows, self._dtype).reshape(-1).view(np.uint8).data
        with writing(self.path):
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())

    def read(self, first: int, count: int) -> NDArray[Any]:
        """Rows, shape (count, *row_shape); not to be written to."""
        self._file.seek(first * self._row_bytes)
        data = self._file.read(count * self._row_bytes)
        return np.frombuffer(data, self._dtype).reshape(-1, *self.row_shape)

    def planes(self, count: int) -> NDArray[Any]:
        """All rows as so many planes, on the disk: (planes, rows, *row_shape)."""
        shape = (count, self.rows // count, *self.row_shape)
        return np.memmap(self.path, self._dtype, "r+", shape=shape)

    def remove(self) -> None:
        """Let go of the file and delete it."""
        self.close()
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file; it stays."""
        self._file.close()
