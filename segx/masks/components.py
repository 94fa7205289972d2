"""Connected components of whole masks, found block by block."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Survey", "groups", "label"]

# A background that is joined over faces alone can't leak through a ring of pixels that
# touch at corners, so that a hole and what encloses it are each one component.
_FACES = ndimage.generate_binary_structure(3, 1)
_CORNERS = ndimage.generate_binary_structure(3, 3)

_HALF = 2**32  # two labels make one number of 64 bits


def label(
    block: NDArray[np.uint8], *, classes: int, background: bool
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Number the components of a block, those of each class after the class before.

    Args:
        block: Ids, shape (rows, planes, cols).
        classes: Number of ids, the background's 0 included.
        background: Whether those of the background are wanted too; they come last.

    Returns:
        The numbers from 1, or 0 for none, in the block's shape; and the id that each
        number belongs to, 0 for number 0. Within a class they follow the components'
        first pixels in reading order.
    """
    numbers = np.zeros(block.shape, np.int32)
    ids: list[int] = [0]
    for value in (*range(1, classes), *([0] if background else [])):
        area = block == value
        found, count = ndimage.label(area, structure=_CORNERS if value else _FACES)
        np.add(found, np.int32(len(ids) - 1), out=numbers, where=area)
        ids.extend([value] * count)
    return numbers, np.asarray(ids, np.uint8)


class Survey:
    """The components of a mask that comes in blocks of rows, each with all its planes.

    Classes join over faces, edges and corners (8 neighbours in a plane, 26 in a
    volume), the background over faces (4 and 6). Components are numbered from 0 block
    by block; what is remembered is one entry a component, and the last row.

    Args:
        classes: Number of ids, the background's 0 included.
        background: Whether the background's components are wanted, too.
    """

    def __init__(self, *, classes: int, background: bool) -> None:
        self._classes = classes
        self._background = background
        self._ids: list[NDArray[np.uint8]] = []
        self._sizes: list[NDArray[np.int64]] = []
        self._joints = [np.zeros((0, 2), np.int64)]
        self._contacts = [np.zeros((0, 2), np.int64)]
        self._borders = [np.zeros(0, np.int64)]
        self._count = 0
        self._last: tuple[NDArray[np.uint8], NDArray[np.int64]] | None = None

    def add(self, block: NDArray[np.uint8]) -> None:
        """Take the next rows, shape (rows, planes, cols)."""
        local, ids = label(block, classes=self._classes, background=self._background)
        self._ids.append(ids[1:])
        self._sizes.append(np.bincount(local.ravel(), minlength=len(ids))[1:])
        if self._background:
            self._find_contacts(block, local)
            self._find_borders(block, local)
        top = self._global(local[0])
        if self._last is None:
            self._border(block[0], top)
        else:
            self._join(*self._last, block[0], top)
        self._last = (block[-1].copy(), self._global(local[-1]))
        self._count += len(ids) - 1

    def finish(self) -> None:
        """The last row was the mask's last."""
        if self._last is not None:
            self._border(*self._last)

    @property
    def ids(self) -> NDArray[np.uint8]:
        """The id of each component, shape (components,)."""
        return np.concatenate(self._ids)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """The number of pixels of each component, shape (components,)."""
        return np.concatenate(self._sizes)

    @property
    def joints(self) -> NDArray[np.int64]:
        """Components of two blocks that are one, shape (pairs, 2)."""
        return np.concatenate(self._joints)

    @property
    def contacts(self) -> NDArray[np.int64]:
        """Components of the background and of a class that share a face, (pairs, 2)."""
        return np.concatenate(self._contacts)

    @property
    def borders(self) -> NDArray[np.int64]:
        """Components of the background that reach the border of the mask."""
        return np.concatenate(self._borders)

    def _global(self, local: NDArray[np.int32]) -> NDArray[np.int64]:
        """Numbers over all blocks, from 0; -1 for none."""
        return np.where(local > 0, local.astype(np.int64) + (self._count - 1), -1)

    def _find_contacts(
        self, block: NDArray[np.uint8], local: NDArray[np.int32]
    ) -> None:
        for axis in range(3):
            ids, numbers = np.moveaxis(block, axis, 0), np.moveaxis(local, axis, 0)
            pairs = _faces(ids[:-1], numbers[:-1], ids[1:], numbers[1:])
            self._contacts.append(pairs + (self._count - 1))

    def _find_borders(self, block: NDArray[np.uint8], local: NDArray[np.int32]) -> None:
        """Sides of the block that are the mask's; a single plane has none above it."""
        for axis in (1, 2) if block.shape[1] > 1 else (2,):
            for end in (0, -1):
                ids = np.moveaxis(block, axis, 0)[end]
                self._border(ids, self._global(np.moveaxis(local, axis, 0)[end]))

    def _border(self, ids: NDArray[np.uint8], numbers: NDArray[np.int64]) -> None:
        if self._background:
            self._borders.append(np.unique(numbers[ids == 0]))

    def _join(
        self,
        ids: NDArray[np.uint8],
        numbers: NDArray[np.int64],
        next_ids: NDArray[np.uint8],
        next_numbers: NDArray[np.int64],
    ) -> None:
        """Join the components on both sides of a seam, each (planes, cols)."""
        for planes in (-1, 0, 1):
            for cols in (-1, 0, 1):
                here = _shifted(ids.shape, planes, cols)
                there = _shifted(ids.shape, -planes, -cols)
                above, below = ids[here], next_ids[there]
                same = above == below
                if not self._background or planes or cols:
                    same &= above != 0
                self._joints.append(
                    _unique(numbers[here][same], next_numbers[there][same])
                )
        if self._background:
            pairs = _faces(ids, numbers, next_ids, next_numbers)
            self._contacts.append(pairs)


def groups(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of `count` items the number of the group that pairs join it to."""
    ones = np.ones(len(pairs), np.bool_)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _faces(
    ids: NDArray[np.uint8],
    numbers: NDArray[np.integer],
    next_ids: NDArray[np.uint8],
    next_numbers: NDArray[np.integer],
) -> NDArray[np.int64]:
    """Pairs of background and class among neighbours at the same place, each once."""
    differ = (ids == 0) != (next_ids == 0)
    is_background = ids[differ] == 0
    one, other = numbers[differ], next_numbers[differ]
    return _unique(
        np.where(is_background, one, other), np.where(is_background, other, one)
    )


def _shifted(shape: Sequence[int], planes: int, cols: int) -> tuple[slice, slice]:
    """The part of (planes, cols) that has a neighbour so far away."""
    return (
        slice(max(0, -planes), shape[0] - max(0, planes)),
        slice(max(0, -cols), shape[1] - max(0, cols)),
    )


def _unique(one: NDArray[np.integer], other: NDArray[np.integer]) -> NDArray[np.int64]:
    """Pairs, each once, shape (pairs, 2)."""
    keys = np.unique(one.astype(np.int64) * _HALF + other)
    return np.stack(np.divmod(keys, _HALF), axis=1)
