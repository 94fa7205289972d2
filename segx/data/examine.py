"""One case looked at whole: every pixel of its image and masks is read once."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.data.alike import Signature, signature
from segx.data.case import Case
from segx.data.defects import Code, Finding, Findings, plural
from segx.data.instances import boxes_of_ids
from segx.data.mask_values import MOST_STORED
from segx.errors import ScanError
from segx.geometry import Extent, Space
from segx.scans import match_channels, open_channels
from segx.scans.intensity import SCAN_PIXELS
from segx.scans.sampling import spread_pixels

__all__ = ["CaseFacts", "Examined", "classes_held", "examine"]

_SAMPLED_PIXELS = 4096
_SAMPLED_BYTES = 512
"""Pixels of an 8-bit image that are kept: its type alone tells its range."""


@dataclass(frozen=True)
class CaseFacts:
    """What a case turned out to hold.

    Args:
        case: The case.
        extent: Size of its image (of each plane of a volume), in pixels.
        planes: Number of planes.
        space: Where a volume's voxels lie; None of a picture.
        spacing_mm: Height and width of a pixel; None where the file is silent.
        stored_channels: Channels in the file.
        channels: Channels without an alpha channel that is opaque everywhere.
        dtype: Type of the image's values.
        values: For each mask, its stored values and the number of pixels of each; None
            where it can't be read as a mask.
        sample: Stored values of evenly spread pixels, shape (pixels, channels).
        signature: What the image looks like; None of one that shows nothing.
        boxes: Of the objects in an instance mask, shape (objects, 4); None without one.
    """

    case: Case
    extent: Extent
    planes: int
    space: Space | None
    spacing_mm: tuple[float, float] | None
    stored_channels: int
    channels: int
    dtype: np.dtype[Any]
    values: tuple[Mapping[int, int] | None, ...]
    sample: NDArray[Any]
    signature: Signature | None
    boxes: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Examined:
    """The facts of a case, if its image can be read, and all that is wrong with it."""

    facts: CaseFacts | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Stored:
    """A file's planes, each of shape (rows, cols, channels), and where they lie."""

    planes: tuple[NDArray[Any], ...]
    space: Space | None
    spacing_mm: tuple[float, float] | None
    is_turned: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Planes, rows, columns and channels."""
        return len(self.planes), *self.planes[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        return self.planes[0].dtype


def examine(
    case: Case,
    *,
    channels: int | None,
    axis: int = 0,
    measured: bool = False,
    instances: bool = False,
) -> Examined:
    """Read an image and its masks; what is wrong with one of them hides no other.

    Args:
        case: The case.
        channels: Number of channels that the image must be readable with; None if the
            data set decides.
        axis: Axis along which a volume is cut into planes.
        measured: Whether the scale is measured whatever the type; of volumes it may
            always have to be.
        instances: Whether the mask gives each object its own id.
    """
    found = Findings()
    image = _read(case.images, found, as_mask=False, axis=axis)
    values: list[Mapping[int, int] | None] = []
    boxes = None
    for path in case.masks:
        mask = _read((path,), found, as_mask=True, axis=axis)
        if instances:
            boxes = None if mask is None else _objects(mask, path, found)
        else:
            values.append(None if mask is None else _count(mask, path, found))
        if mask is not None and image is not None:
            _compare(mask, path, image, case.image, found)
    if image is None:
        return Examined(None, tuple(found.findings))
    is_finite = _check_image(image, case.image, channels, found)
    planes, rows, cols, stored = image.shape
    sees = is_finite and not _is_constant(image, case.image, found)
    facts = CaseFacts(
        case=case,
        extent=Extent(rows, cols),
        planes=planes,
        space=image.space,
        spacing_mm=image.spacing_mm,
        stored_channels=stored,
        channels=stored - _has_opaque_alpha(image),
        dtype=image.dtype,
        values=tuple(values),
        sample=_sample(image, measured=measured or planes > 1),
        signature=signature(image.planes[planes // 2]) if sees else None,
        boxes=boxes,
    )
    return Examined(facts, tuple(found.findings))


def classes_held(facts: Iterable[CaseFacts]) -> dict[str, frozenset[tuple[int, int]]]:
    """Which foreground values the masks of each case hold, for drawing splits.

    Returns:
        By case id, pairs of a mask's number (of multilabel masks, the class) and a
        stored value.
    """
    return {
        item.case.id: frozenset(
            (number, value)
            for number, counts in enumerate(item.values)
            for value in counts or ()
            if value > 0
        )
        for item in facts
    }


def _read(
    paths: tuple[Path, ...], found: Findings, *, as_mask: bool, axis: int
) -> _Stored | None:
    """All of the files of an image or of a mask, or a finding."""
    try:
        with open_channels(paths, as_mask=as_mask, axis=axis) as scan:
            planes = [scan.read_all(plane=plane) for plane in range(scan.planes)]
            return _Stored(tuple(planes), scan.space, scan.spacing_mm, scan.is_turned)
    except ScanError as error:
        bad = next((path for path in paths if str(path) in str(error)), paths[0])
        problem, _, advice = str(error).removeprefix(f"{bad} ").partition(". ")
        found.add(
            Code.UNREADABLE,
            bad,
            problem.rstrip("."),
            expected="a file that can be read to its last pixel",
            fix=advice or "Copy it again from where it came, or take the case out.",
        )
        return None


def _compare(
    mask: _Stored, path: Path, image: _Stored, of: Path, found: Findings
) -> None:
    """A mask has its image's size, and lies where it lies."""
    if mask.shape[:3] != image.shape[:3]:
        ours, theirs = _size(mask, image), _size(image, mask)
        is_swapped = mask.shape[1:3] == image.shape[2:0:-1]
        found.add(
            Code.SIZE_MISMATCH,
            path,
            f"has {ours}",
            expected=f"{theirs} (rows x columns), as its image {of}",
            fix=f"{'One of them is turned. ' if is_swapped else ''}Export the mask at "
            "the image's size.",
        )
    elif image.is_turned != mask.is_turned:
        # Both are read as they say. A mask that was drawn on a picture that nobody had
        # turned does not fit any more, and on a square one its size does not tell.
        turned, other = (of, path) if image.is_turned else (path, of)
        found.add(
            Code.EXIF_ROTATION,
            turned,
            f"says that it lies on its side or is mirrored, but {other} does not",
            expected="image and mask that are stored upright",
            fix="segx turns it. Look whether they fit then, and save both upright.",
        )
    if mask.shape[:3] == image.shape[:3]:
        _compare_places(mask, path, image, of, found)


def _size(file: _Stored, other: _Stored) -> str:
    """A size in words, with planes where one of two files has several."""
    planes, rows, cols, _ = file.shape
    if planes == 1 == other.shape[0]:
        return f"{rows}x{cols} px"
    return f"{planes} planes of {rows}x{cols} px"


def _compare_places(
    mask: _Stored, path: Path, image: _Stored, of: Path, found: Findings
) -> None:
    """Write down that a mask lies elsewhere in the patient than its image, if it does.

    Formats round their numbers: up to a tenth of a voxel at any corner is the same.
    """
    ours, theirs, shape = mask.space, image.space, image.shape[:3]
    if ours is None or theirs is None:
        return
    near = 0.1 * min(theirs.spacing_mm)
    if np.allclose(_corners(ours, shape), _corners(theirs, shape), rtol=0, atol=near):
        return
    pairs = [
        (name, np.array(getattr(ours, name)), np.array(getattr(theirs, name)))
        for name in ("spacing_mm", "origin_mm", "directions")
    ]
    differing = [
        pair for pair in pairs if not np.allclose(*pair[1:], rtol=1e-3, atol=1e-3)
    ]
    mine = (f"{name} {one.round(4).tolist()}" for name, one, _ in differing or pairs)
    its = (f"{name} {other.round(4).tolist()}" for name, _, other in differing or pairs)
    found.add(
        Code.GEOMETRY_MISMATCH,
        path,
        f"lies elsewhere in the patient than its image {of}: {', '.join(mine)}",
        expected=f"{', '.join(its)} (planes, rows, columns)",
        fix="Save it with its image's geometry; was it drawn elsewhere, resample it.",
    )


def _corners(space: Space, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Centres of the first voxel and of the last one on each axis, in mm, (4, 3)."""
    steps = np.array(space.directions) * np.array(space.spacing_mm)[:, np.newaxis]
    corners = np.tile(np.array(space.origin_mm), (4, 1))
    corners[1:] += steps * (np.array(shape)[:, np.newaxis] - 1)
    return corners


def _check_image(
    image: _Stored, path: Path, channels: int | None, found: Findings
) -> bool:
    """Write down what can't be used; whether all values are finite."""
    if channels is not None:
        try:
            for plane in image.planes:
                match_channels(plane, channels, source=path)
        except ScanError as error:
            found.add(
                Code.CHANNEL_MIX,
                path,
                str(error).removeprefix(f"{path} ").rstrip("."),
                expected=f"{channels}, for data.channels says so",
                fix="Convert the image, or set data.channels.",
            )
    if image.dtype.kind != "f":
        return True
    bad = sum(int(np.count_nonzero(~np.isfinite(item))) for item in image.planes)
    if bad:
        found.add(
            Code.NOT_FINITE,
            path,
            f"holds NaN or infinity in {plural(bad, 'value')}",
            expected="finite numbers",
            fix="Replace them, such as by the value of air or of the background.",
        )
    return not bad


def _is_constant(image: _Stored, path: Path, found: Findings) -> bool:
    """Whether all pixels are alike; that is written down."""
    first = image.planes[0][0, 0]
    if (image.planes[0][:1] != first).any() or any(
        (plane != first).any() for plane in image.planes
    ):
        return False
    found.add(
        Code.CONSTANT_IMAGE,
        path,
        f"holds {', '.join(f'{value:g}' for value in first.tolist())} in every pixel",
        expected="a picture",
        fix="Was it exported right? Take it out, unless blank images are to be learnt.",
    )
    return True


def _holds_ids(mask: _Stored, path: Path, found: Findings) -> bool:
    """Whether a file has one channel of whole numbers; else that is written down."""
    channels = mask.shape[3]
    if channels != 1:
        equal = all((plane == plane[..., :1]).all() for plane in mask.planes)
        found.add(
            Code.COLOUR_MASK,
            path,
            f"is a picture with {channels}{' equal' if equal else ''} channels",
            expected="one channel, with the id of the class in each pixel",
            fix="Keep one of its equal channels, as grey or indexed PNG."
            if equal
            else "Store ids instead of colours, as grey or indexed PNG.",
        )
        return False
    if mask.dtype.kind not in "bui":
        found.add(
            Code.MASK_TYPE,
            path,
            f"holds {mask.dtype} values",
            expected="whole numbers",
            fix="Round to ids and save as an integer type.",
        )
        return False
    return True


def _objects(mask: _Stored, path: Path, found: Findings) -> NDArray[np.int64] | None:
    """The box of each id; nothing if a mask can't hold ids."""
    if not _holds_ids(mask, path, found):
        return None
    ids = mask.planes[0][..., 0]
    if ids.min(initial=0) < 0:
        found.add(
            Code.MASK_RANGE,
            path,
            f"holds {ids.min()}",
            expected="ids from 1 on, and 0 for the background",
            fix="Store ids from 0 on.",
        )
        return None
    return boxes_of_ids(ids)


def _count(mask: _Stored, path: Path, found: Findings) -> Mapping[int, int] | None:
    """Pixels of each stored value; nothing if a mask can't hold such values."""
    if not _holds_ids(mask, path, found):
        return None
    least = min(plane.min() for plane in mask.planes)
    largest = max(plane.max() for plane in mask.planes)
    if least < 0 or largest > MOST_STORED:
        found.add(
            Code.MASK_RANGE,
            path,
            f"holds {least} … {largest}",
            expected=f"0 … {MOST_STORED}",
            fix="Store ids from 0 on.",
        )
        return None
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


def _sample(image: _Stored, *, measured: bool) -> NDArray[Any]:
    """Evenly spread pixels of an image, shape (pixels, channels)."""
    if measured:
        most = SCAN_PIXELS
    else:
        most = _SAMPLED_BYTES if image.dtype == np.uint8 else _SAMPLED_PIXELS
    return spread_pixels(image.planes, total=math.prod(image.shape[:3]), most=most)
