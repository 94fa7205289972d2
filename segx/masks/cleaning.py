"""Post-processing of a whole mask: largest components, holes, least sizes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segx.errors import ConfigError
from segx.labels import Labels
from segx.masks.components import Survey, groups, label

__all__ = ["Cleaning", "clean"]

_BLOCK_PIXELS = 2**23  # numbers of 4 bytes and a few masks: about 100 MB


@dataclass(frozen=True)
class Cleaning:
    """What is mended in a mask before it is written; by default nothing.

    Holes are filled first, so that a component's size is that of what is written.

    Args:
        fill_holes: Give a hole to the class that encloses it. A hole is a component of
            the background that does not reach the border of the plane (of the volume),
            and that shares pixel faces with one class only: what lies between two
            classes is given to neither.
        largest: Keep the largest component of each class; of equals the one that
            begins in the higher row. The others become background.
        min_size_px: Components of fewer pixels (voxels) become background.
        min_size_mm: Components of less mm² (of volumes, mm³) become background.
        classes: Names of the classes that this is done to; None: to all.

    Raises:
        ConfigError: If a least size is below 0.
    """

    fill_holes: bool = False
    largest: bool = False
    min_size_px: int | None = None
    min_size_mm: float | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if min(self.min_size_px or 0, self.min_size_mm or 0) < 0:
            raise ConfigError(
                f"Least sizes of {self.min_size_px} px and {self.min_size_mm} mm were "
                "given; they can't be below 0. Give null for none."
            )

    @property
    def changes(self) -> bool:
        """Whether a mask can come out otherwise than it went in."""
        return bool(
            self.fill_holes or self.largest or self.min_size_px or self.min_size_mm
        )

    def class_ids(self, labels: Labels) -> tuple[int, ...]:
        """Ids (of multilabel masks, layers) of the classes that are cleaned.

        Raises:
            ConfigError: If a name is not the name of a foreground class.
        """
        names = labels.foreground if self.classes is None else self.classes
        unknown = [name for name in names if name not in labels.foreground]
        if unknown:
            raise ConfigError(
                f"inference.cleaning.classes: {unknown} are none of the classes "
                f"{list(labels.foreground)}. Correct the names, or give null for all."
            )
        return tuple(labels.names.index(name) for name in names)

    def least_pixels(self, pixel_size: float | None) -> int:
        """Number of pixels that a component must have to be kept.

        Args:
            pixel_size: mm² of a pixel or mm³ of a voxel; None where it is unknown.

        Raises:
            ConfigError: If a least size in mm is wanted and the pixel's is unknown.

        Examples:
            >>> Cleaning(min_size_mm=2.0).least_pixels(0.25)
            8
        """
        least = self.min_size_px or 0
        if not self.min_size_mm:
            return least
        if pixel_size is None:
            raise ConfigError(
                f"inference.cleaning.min_size_mm is {self.min_size_mm:g}, but the scan "
                "does not say how large its pixels are. Give their size, or use "
                "min_size_px."
            )
        # A quotient such as 3.0000000000000004 means 3.
        return max(least, math.ceil(self.min_size_mm / pixel_size * (1 - 1e-9)))


def clean(
    mask: NDArray[np.uint8],
    cleaning: Cleaning,
    *,
    labels: Labels,
    out: NDArray[np.uint8],
    pixel_size: float | None = None,
    band_rows: int | None = None,
) -> tuple[int, ...]:
    """Clean a whole mask, in memory or on disk, reading it twice in bands of rows.

    The result does not depend on the bands. Memory grows with a band (with all its
    planes) and with the number of components, not with the number of rows.

    Args:
        mask: Ids, shape (planes, rows, cols); for multilabel masks 0 and 1, shape
            (planes, rows, cols, classes), where each class is cleaned on its own.
        cleaning: What to do.
        labels: What the mask's values mean.
        out: Where the result goes, in the same shape. It may be `mask` itself; but
            only a `mask` that is left as it is can be cleaned again after a kill.
        pixel_size: mm² of a pixel or, if there are several planes, mm³ of a voxel.
        band_rows: Height of the bands; None: about 8 million pixels each.

    Returns:
        How many components each of `labels.foreground` has in the result.

    Raises:
        ConfigError: If a class is unknown, or the pixel size is needed and unknown.
    """
    chosen = cleaning.class_ids(labels)
    least = cleaning.least_pixels(pixel_size)
    rows = band_rows or max(1, _BLOCK_PIXELS // (mask.shape[0] * mask.shape[2]))
    if labels.kind != "multilabel":
        layer = _Layer(mask, out, classes=len(labels.names), band_rows=rows)
        return layer.clean(cleaning, chosen, least=least)[1:]
    counts = []
    for index in range(len(labels.names)):
        layer = _Layer(mask[..., index], out[..., index], classes=2, band_rows=rows)
        ids = (1,) if index in chosen else ()
        counts.append(layer.clean(cleaning, ids, least=least)[1])
    return tuple(counts)


@dataclass(frozen=True)
class _Layer:
    """Ids in which no class overlaps another, shape (planes, rows, cols)."""

    mask: NDArray[np.uint8]
    out: NDArray[np.uint8]
    classes: int
    band_rows: int

    def clean(
        self, cleaning: Cleaning, chosen: tuple[int, ...], *, least: int
    ) -> tuple[int, ...]:
        """Decide what becomes of each component, and write it; their number by id."""
        fill = cleaning.fill_holes
        survey = Survey(classes=self.classes, background=fill)
        for _, block in self._blocks():
            survey.add(block)
        survey.finish()
        ids, joints = survey.ids, survey.joints
        if fill:
            ids, joints = _filled(survey, chosen)
        whole = _Whole.of(ids, survey.sizes, joints)
        keep = whole.kept(chosen, least=least, largest=cleaning.largest)
        self._write(np.where(keep[whole.owner], ids, 0), background=fill)
        return tuple(np.bincount(whole.ids[keep], minlength=self.classes).tolist())

    def _write(self, ids: NDArray[np.uint8], *, background: bool) -> None:
        """Give each component its new id; they come in the survey's order."""
        start = 0
        for band, block in self._blocks():
            numbers, old = label(block, classes=self.classes, background=background)
            end = start + len(old) - 1
            table = np.concatenate([np.zeros(1, np.uint8), ids[start:end]])
            self.out[:, band] = np.moveaxis(table[numbers], 1, 0)
            start = end

    def _blocks(self) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        """Bands of rows with all their planes, shape (rows, planes, cols)."""
        for top in range(0, self.mask.shape[1], self.band_rows):
            band = slice(top, top + self.band_rows)
            yield band, np.moveaxis(self.mask[:, band], 0, 1)


@dataclass(frozen=True)
class _Whole:
    """Components of a whole mask, put together from those of its blocks.

    Args:
        owner: The component that each block's component is part of.
        ids: The id of each component.
        sizes: The number of its pixels.
        first: The first of its parts.
    """

    owner: NDArray[np.int64]
    ids: NDArray[np.uint8]
    sizes: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        ids: NDArray[np.uint8],
        sizes: NDArray[np.int64],
        joints: NDArray[np.int64],
    ) -> "_Whole":
        """Put together what is joined; joined parts have the same id."""
        owner = groups(len(ids), joints)
        _, first = np.unique(owner, return_index=True)
        total = np.zeros(len(first), np.int64)
        np.add.at(total, owner, sizes)
        return cls(owner, ids[first], total, first.astype(np.int64))

    def kept(
        self, chosen: tuple[int, ...], *, least: int, largest: bool
    ) -> NDArray[np.bool_]:
        """Which components stay; those of classes that are not chosen do."""
        keep = np.ones(len(self.ids), np.bool_)
        for value in chosen:
            (members,) = np.nonzero(self.ids == value)
            keep[members] = self.sizes[members] >= least
            if largest and len(members):
                order = np.lexsort((self.first[members], -self.sizes[members]))
                keep[members[order[1:]]] = False
        return keep


def _filled(
    survey: Survey, chosen: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Ids and joints as they are when each hole is part of what encloses it."""
    ids, contacts = survey.ids, survey.contacts
    owner = groups(len(ids), survey.joints)
    background, touched = owner[contacts[:, 0]], ids[contacts[:, 1]]
    lowest, highest = np.full(len(ids), 255, np.uint8), np.zeros(len(ids), np.uint8)
    np.minimum.at(lowest, background, touched)
    np.maximum.at(highest, background, touched)
    is_hole = (lowest == highest) & np.isin(lowest, chosen)
    is_hole[owner[survey.borders]] = False
    joints = np.concatenate([survey.joints, contacts[is_hole[background]]])
    return np.where(is_hole[owner], lowest[owner], ids), joints
