"""One case looked at whole: every pixel of its image and masks is read once."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.data.case import Case
from segx.data.defects import Defect
from segx.data.mask_values import MOST_STORED
from segx.errors import ScanError
from segx.geometry import Extent, Space
from segx.scans import match_channels, open_channels
from segx.scans.intensity import SCAN_PIXELS
from segx.scans.sampling import spread_pixels

__all__ = ["CaseFacts", "Examined", "classes_held", "examine"]

_SAMPLED_PIXELS = 4096


@dataclass(frozen=True)
class CaseFacts:
    """What a case turned out to hold.

    Args:
        case: The case.
        extent: Size of its image (of each plane of a volume), in pixels.
        planes: Number of planes.
        stored_channels: Channels in the file.
        channels: Channels without an alpha channel that is opaque everywhere.
        dtype: Type of the image's values.
        values: For each mask, its stored values and the number of pixels of each.
        sample: Stored values of evenly spread pixels, shape (pixels, channels), where
            the type alone does not tell the range.
    """

    case: Case
    extent: Extent
    planes: int
    stored_channels: int
    channels: int
    dtype: np.dtype[Any]
    values: tuple[Mapping[int, int], ...]
    sample: NDArray[Any] | None


@dataclass(frozen=True)
class Examined:
    """The facts of a case, where it could be read, and all that is wrong with it."""

    facts: CaseFacts | None
    defects: tuple[Defect, ...]


@dataclass(frozen=True)
class _Stored:
    """A file's planes, each of shape (rows, cols, channels), and where they lie."""

    planes: tuple[NDArray[Any], ...]
    space: Space | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Planes, rows, columns and channels."""
        return len(self.planes), *self.planes[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.planes[0].dtype


def examine(
    case: Case, *, channels: int | None, axis: int = 0, measured: bool = False
) -> Examined:
    """Read an image and its masks.

    Args:
        case: The case.
        channels: Number of channels that the image must be readable with; None if the
            data set decides.
        axis: Axis along which a volume is cut into planes.
        measured: Whether the scale is measured whatever the type; of volumes it may
            always have to be.
    """
    defects: list[Defect] = []
    image = _read(case.images, defects, as_mask=False, axis=axis)
    masks = [_read((path,), defects, as_mask=True, axis=axis) for path in case.masks]
    values = []
    for path, mask in zip(case.masks, masks, strict=True):
        if mask is not None and image is not None and mask.shape[:3] != image.shape[:3]:
            defects.append(Defect(path, _differs(mask, image, case.image)))
        elif mask is not None:
            values.append(_count(mask, path, defects))
            elsewhere = image and _elsewhere(mask, image, case.image)
            defects += [Defect(path, elsewhere)] if elsewhere else []
    if image is not None:
        _check_values(image, case.image, channels, defects)
    if image is None or defects:
        return Examined(None, tuple(defects))
    planes, rows, cols, stored = image.shape
    return Examined(
        CaseFacts(
            case=case,
            extent=Extent(rows, cols),
            planes=planes,
            stored_channels=stored,
            channels=stored - _has_opaque_alpha(image),
            dtype=image.dtype,
            values=tuple(values),
            sample=_sample(image, measured=measured or planes > 1),
        ),
        (),
    )


def classes_held(
    examined: Iterable[Examined],
) -> dict[str, frozenset[tuple[int, int]]]:
    """Which foreground values the masks of each case hold, for drawing splits.

    Returns:
        By case id, pairs of a mask's number (of multilabel masks, the class) and a
        stored value; cases that can't be read are left out.
    """
    return {
        item.facts.case.id: frozenset(
            (number, value)
            for number, counts in enumerate(item.facts.values)
            for value in counts
            if value > 0
        )
        for item in examined
        if item.facts is not None
    }


def _read(
    paths: tuple[Path, ...], defects: list[Defect], *, as_mask: bool, axis: int
) -> _Stored | None:
    """All of the files of an image or of a mask, or a defect."""
    try:
        with open_channels(paths, as_mask=as_mask, axis=axis) as scan:
            planes = [scan.read_all(plane=plane) for plane in range(scan.planes)]
            return _Stored(tuple(planes), scan.space)
    except ScanError as error:
        defects.append(Defect(paths[0], str(error)))
        return None


def _differs(mask: _Stored, image: _Stored, path: Path) -> str:
    """Say that a mask has another size than its image."""
    if mask.shape[0] > 1 or image.shape[0] > 1:
        ours, theirs = ("x".join(map(str, file.shape[:3])) for file in (mask, image))
        return (
            f"has {ours} voxels, but its image {path} has {theirs} (planes x rows x "
            "columns)."
        )
    own, its = Extent(*mask.shape[1:3]), Extent(*image.shape[1:3])
    turned = (own.cols, own.rows) == (its.rows, its.cols)
    return (
        f"has {own} px, but its image {path} has {its} px (rows x columns)."
        f"{' One of them is turned.' if turned else ''}"
    )


def _elsewhere(mask: _Stored, image: _Stored, path: Path) -> str | None:
    """Say that a mask lies elsewhere in the patient than its image, if it does.

    Formats round their numbers: up to a tenth of a voxel at any corner is the same.
    """
    ours, theirs = mask.space, image.space
    if ours is None or theirs is None:
        return None
    near = 0.1 * min(theirs.spacing_mm)
    shape = image.shape[:3]
    if np.allclose(_corners(ours, shape), _corners(theirs, shape), rtol=0, atol=near):
        return None
    pairs = [
        (name, getattr(ours, name), getattr(theirs, name))
        for name in ("spacing_mm", "origin_mm", "directions")
    ]
    differing = [
        f"{name} {np.round(one, 4).tolist()} instead of {np.round(other, 4).tolist()}"
        for name, one, other in pairs
        if not np.allclose(one, other, rtol=1e-3, atol=1e-3)
    ]
    return (
        f"lies elsewhere in the patient than its image {path}: "
        f"{', '.join(differing)} (planes, rows, columns). Save it with its image's "
        "geometry."
    )


def _corners(space: Space, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Centres of the first voxel and of the last one on each axis, in mm, (4, 3)."""
    steps = np.array(space.directions) * np.array(space.spacing_mm)[:, np.newaxis]
    corners = np.tile(np.array(space.origin_mm), (4, 1))
    corners[1:] += steps * (np.array(shape)[:, np.newaxis] - 1)
    return corners


def _check_values(
    image: _Stored, path: Path, channels: int | None, defects: list[Defect]
) -> None:
    """Channels that can't be matched, and values that are no numbers, are defects."""
    if channels is not None:
        try:
            for plane in image.planes:
                match_channels(plane, channels, source=path)
        except ScanError as error:
            defects.append(Defect(path, str(error)))
    if image.dtype.kind == "f":
        bad = sum(int(np.count_nonzero(~np.isfinite(item))) for item in image.planes)
        if bad:
            problem = f"holds {bad} values that are NaN or infinite; replace them."
            defects.append(Defect(path, problem))


def _count(mask: _Stored, path: Path, defects: list[Defect]) -> Mapping[int, int]:
    """Pixels of each stored value, or a defect if a mask can't hold such values."""
    channels = mask.shape[3]
    problem = None
    if channels != 1:
        equal = all((plane == plane[..., :1]).all() for plane in mask.planes)
        repair = "keep one of its equal channels" if equal else "store ids, not colours"
        problem = (
            f"is a picture with {channels} channels; a mask has one, with the id of "
            f"the class in each pixel: {repair}, as grey or indexed PNG."
        )
    elif mask.dtype.kind not in "bui":
        problem = f"holds {mask.dtype} values; a mask holds whole numbers."
    else:
        least = min(plane.min() for plane in mask.planes)
        largest = max(plane.max() for plane in mask.planes)
        if least < 0 or largest > MOST_STORED:
            problem = f"holds {least} … {largest}; allowed is 0 … {MOST_STORED}."
    if problem is not None:
        defects.append(Defect(path, problem))
        return {}
    counted: Counter[int] = Counter()
    for plane in mask.planes:
        counts = np.bincount(plane.ravel())
        counted.update({int(i): int(counts[i]) for i in np.flatnonzero(counts)})
    return counted


def _has_opaque_alpha(image: _Stored) -> bool:
    """Whether the last of 2 or 4 channels is at its largest value everywhere."""
    if image.shape[3] not in {2, 4}:
        return False
    opaque = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else 1
    return all((plane[..., -1] == opaque).all() for plane in image.planes)


def _sample(image: _Stored, *, measured: bool) -> NDArray[Any] | None:
    """Evenly spread pixels of an image, shape (pixels, channels)."""
    if image.dtype == np.uint8 and not measured:
        return None
    most = SCAN_PIXELS if measured else _SAMPLED_PIXELS
    return spread_pixels(image.planes, total=math.prod(image.shape[:3]), most=most)
