"""Decoded cases, kept in memory that worker processes share."""

import math
import mmap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.data.case import Case
from segx.data.reader import CaseReader
from segx.errors import DataError
from segx.geometry import Extent
from segx.scans.neighbours import planes_around

__all__ = ["CaseStore"]

_ALIGNED = 64  # bytes: any type of number may begin there

_Arrays = tuple[NDArray[Any], NDArray[np.uint8] | None]


class CaseStore:
    """Reads cases, and keeps as many as fit so that their files are decoded once.

    The memory is one anonymous map. Worker processes that are forked share it: what
    one of them decodes, all have. Untouched pages cost nothing. Where processes are
    spawned, each keeps its own. Of the volumes that don't fit, the last one is kept, so
    that its planes can be read one after the other.

    Args:
        cases: The cases; they are asked for by their index.
        reader: Decodes a case.
        extents: Size of each image on disk by case id, in pixels.
        budget: Most bytes to keep; the first cases that fit are kept.
        planes: Number of planes by case id; None for images of a single plane.
        neighbours: Planes on each side that are read as further channels.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        reader: CaseReader,
        *,
        extents: Mapping[str, Extent],
        budget: int,
        planes: Mapping[str, int] | None = None,
        neighbours: int = 0,
    ) -> None:
        self.cases = tuple(cases)
        self.reader = reader
        self._neighbours = neighbours
        self._shapes = [
            _shapes(reader, case, extents[case.id], planes[case.id] if planes else 1)
            for case in self.cases
        ]
        self._offsets: list[int | None] = []
        end = _aligned(len(self.cases))  # one byte a case says that it is there
        for image_shape, mask_shape in self._shapes:
            size = _aligned(math.prod(image_shape) * reader.dtype.itemsize)
            size += _aligned(math.prod(mask_shape or (0,)))
            fits = end + size <= budget
            self._offsets.append(end if fits else None)
            end += size if fits else 0
        self.kept_bytes = end if any(self._offsets) else 0
        self._memory: mmap.mmap | None = None
        self._last: tuple[int, _Arrays] | None = None
        self._map()

    def __len__(self) -> int:
        return len(self.cases)

    def extent(self, index: int) -> Extent:
        """Size of an image as it is read, in pixels."""
        return Extent(*self._shapes[index][0][1:3])

    def planes(self, index: int) -> int:
        """Number of planes of an image."""
        return self._shapes[index][0][0]

    def read(
        self, index: int, plane: int = 0
    ) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
        """The image and the mask of a plane of a case; not to be written to.

        Returns:
            Stored values, shape (rows, cols, channels), those of neighbouring planes
            included; and ids, shape (rows, cols[, classes]), or None without masks.

        Raises:
            ScanError: If a file can't be read.
            DataError: If a file changed since the survey.
        """
        image, mask = self.read_all(index)
        plane_mask = None if mask is None else mask[plane]
        return self.with_neighbours(image, plane), plane_mask

    def with_neighbours(self, image: NDArray[Any], plane: int) -> NDArray[Any]:
        """One of the planes of a case as it is read, shape (rows, cols, channels)."""
        if not self._neighbours:
            middle: NDArray[Any] = image[plane]
            return middle
        around = planes_around(plane, neighbours=self._neighbours, planes=len(image))
        return np.concatenate([image[index] for index in around], axis=2)

    def read_all(self, index: int) -> _Arrays:
        """The image and the mask of a case, all planes; not to be written to.

        Returns:
            Stored values, shape (planes, rows, cols, channels); and ids, shape (planes,
            rows, cols[, classes]), or None without masks.

        Raises:
            ScanError: If a file can't be read.
            DataError: If a file changed since the survey.
        """
        offset = self._offsets[index]
        if self._memory is None or offset is None:
            return self._decode(index) if self.planes(index) == 1 else self._kept(index)
        image, mask = self._views(self._memory, index, offset)
        if not self._memory[index]:
            decoded_image, decoded_mask = self._decode(index)
            image[...] = decoded_image
            if mask is not None and decoded_mask is not None:
                mask[...] = decoded_mask
            # Two workers may do the same work at once; both write the same bytes.
            self._memory[index] = 1
        return _locked(image, mask)

    def _kept(self, index: int) -> _Arrays:
        """A volume without a place in the memory, decoded once for all its planes."""
        if self._last is None or self._last[0] != index:
            self._last = None  # not two at once
            self._last = index, _locked(*self._decode(index))
        return self._last[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memory": None, "_last": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()

    def _map(self) -> None:
        if self.kept_bytes:
            self._memory = mmap.mmap(-1, self.kept_bytes)

    def _decode(self, index: int) -> _Arrays:
        """Read a case from its files, and hold its shape against the survey's."""
        case, shapes = self.cases[index], self._shapes[index]
        image, mask = self.reader.image(case), self.reader.mask(case)
        if self.planes(index) == 1:
            image = image[np.newaxis]
            mask = None if mask is None else mask[np.newaxis]
        if (image.shape, None if mask is None else mask.shape) != shapes:
            raise DataError(
                f"Case {case.id} ({case.image}) has shape {image.shape} now, but had "
                f"{shapes[0]} when the data set was surveyed. Was it changed?"
            )
        return image, mask

    def _views(self, memory: mmap.mmap, index: int, offset: int) -> _Arrays:
        """The places of a case's image and mask in the memory."""
        image_shape, mask_shape = self._shapes[index]
        count = math.prod(image_shape)
        image = np.frombuffer(memory, self.reader.dtype, count, offset)
        if mask_shape is None:
            return image.reshape(image_shape), None
        offset += _aligned(image.nbytes)
        mask = np.frombuffer(memory, np.uint8, math.prod(mask_shape), offset)
        return image.reshape(image_shape), mask.reshape(mask_shape)


def _locked(image: NDArray[Any], mask: NDArray[np.uint8] | None) -> _Arrays:
    """The same arrays, not to be written to."""
    image.flags.writeable = False
    if mask is not None:
        mask.flags.writeable = False
    return image, mask


def _shapes(
    reader: CaseReader, case: Case, stored: Extent, planes: int
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Shapes of a case's image and mask, the planes first."""
    mask = reader.mask_shape(stored) if case.masks else None
    return (planes, *reader.image_shape(stored)), (planes, *mask) if mask else None


def _aligned(size: int) -> int:
    """The next multiple of `_ALIGNED`."""
    return -(-size // _ALIGNED) * _ALIGNED
