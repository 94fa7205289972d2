"""Which frames of DICOM files make one scan, in which order, and where they lie."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset

from segx.errors import ScanError
from segx.geometry import Space
from segx.scans.damage import reading
from segx.scans.dicom import is_dicom
from segx.scans.dicom_header import (
    Frame,
    as_vector,
    is_image,
    kind_of,
    read_frames,
    read_header,
)

__all__ = ["Series", "read_series", "scans_in"]

logger = logging.getLogger(__name__)

_Group = list[tuple[Path, Dataset]]

_UNEVEN = 0.1  # share of the step by which two neighbours may lie nearer or farther


@dataclass(frozen=True)
class Series:
    """The frames of a scan.

    Args:
        frames: One a plane, in order.
        space: Where they lie in the patient; None where the headers don't say.
        pixel_mm: Height and width of a pixel; None where the headers don't say.
    """

    frames: tuple[Frame, ...]
    space: Space | None
    pixel_mm: tuple[float, float] | None


def read_series(path: Path) -> Series:
    """Read the headers of a file, or of all files of a folder, and order the planes.

    Raises:
        ScanError: If there is no image, more than one series, or planes that are not
            equal in size, orientation and distance.
    """
    if path.is_dir():
        groups = _groups(path)
        if not groups:
            raise ScanError(
                f"{path} holds no DICOM image. Give the folder in which the images lie."
            )
        if len(groups) != 1:
            raise ScanError(_several(path, groups))
        files = groups[0]
    else:
        header = read_header(path)
        if not is_image(header):
            raise ScanError(
                f"{path} holds no scan: it is of the kind {kind_of(header)!r}. Allowed "
                "are images such as CT, MR and X-ray; convert a whole slide to TIFF."
            )
        files = [(path, header)]
    frames = [frame for file, header in files for frame in read_frames(file, header)]
    _refuse_mixed(path, frames)
    return _in_space(path, frames)


def scans_in(folder: Path) -> list[Path]:
    """The scans that a folder's DICOM files make: the folder, or each file.

    Files that are no images are passed over, and logged.

    Raises:
        ScanError: If slices of several series lie in the folder.
    """
    groups = _groups(folder)
    if len(groups) == 1:
        return [folder]
    if all(len(files) == 1 for files in groups):
        return sorted(path for files in groups for path, _ in files)
    raise ScanError(_several(folder, groups))


def _groups(folder: Path) -> list[_Group]:
    """The images among a folder's DICOM files, by series."""
    with reading(folder):
        entries = sorted(folder.iterdir())
    files = [
        entry
        for entry in entries
        if not entry.name.startswith(".") and entry.is_file() and is_dicom(entry)
    ]
    groups: dict[str, _Group] = defaultdict(list)
    for path in files:
        header = read_header(path)
        with reading(path):
            if is_image(header):
                groups[str(header.get("SeriesInstanceUID"))].append((path, header))
            else:
                logger.info("%s is passed over: %s.", path, kind_of(header))
    return list(groups.values())


def _several(folder: Path, groups: Sequence[_Group]) -> str:
    """Say which series lie in a folder."""
    found = []
    for files in groups:
        path, header = files[0]
        name = header.get("SeriesDescription") or header.get("SeriesInstanceUID")
        count = f"{len(files)} file{'s' * (len(files) != 1)}"
        modality = header.get("Modality")
        found.append(f"{name} ({modality}, {count}, such as {path.name})")
    return (
        f"{folder} holds {len(groups)} series: {'; '.join(found)}. Move each to a "
        "folder of its own, and give one of these."
    )


def _refuse_mixed(path: Path, frames: Sequence[Frame]) -> None:
    """Refuse frames that can't be planes of one volume, and name two that differ."""
    aspects: dict[str, Callable[[Frame], Any]] = {
        "size": lambda frame: str(frame.extent),
        "colours": lambda frame: frame.photometric,
        "frame of reference": lambda frame: frame.reference,
        "orientation": lambda frame: frame.orientation,
        "pixel size in mm": lambda frame: frame.pixel_mm,
    }
    first = frames[0]
    for name, aspect in aspects.items():
        expected = aspect(first)
        for frame in frames[1:]:
            found = aspect(frame)
            if not _is_alike(found, expected):
                raise ScanError(
                    f"{path} mixes images of different {name}: {_name(first)} has "
                    f"{expected}, {_name(frame)} has {found}. Leave those out that do "
                    "not belong to the volume, such as localizers."
                )


def _is_alike(one: Any, other: Any) -> bool:
    """Equal; numbers but for the rounding of decimals in a header."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return np.allclose(one, other, rtol=1e-3, atol=1e-3)
    return bool(one == other)


def _in_space(path: Path, frames: Sequence[Frame]) -> Series:
    """Order frames along their normal, where their positions are known."""
    first = frames[0]
    if first.orientation is None or any(frame.position is None for frame in frames):
        return Series(_by_number(path, frames), None, first.pixel_mm)
    right, down = (np.array(vector) for vector in first.orientation)
    normal = np.cross(right, down)
    places = np.array([frame.position for frame in frames])  # (planes, 3)
    order = np.argsort(places @ normal, kind="stable")
    ordered, places = tuple(frames[index] for index in order), places[order]
    step_mm = ordered[0].thickness_mm or 1.0
    if len(frames) > 1:
        step_mm = _even_step(path, ordered, places @ normal)
        _refuse_slanted(path, ordered, places, normal)
    if first.pixel_mm is None:
        return Series(ordered, None, None)
    space = Space(
        (step_mm, *first.pixel_mm),
        as_vector(places[0]),
        (as_vector(normal), as_vector(down), as_vector(right)),
    )
    return Series(ordered, space, first.pixel_mm)


def _by_number(path: Path, frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """Order frames by instance number, and within a file as it has them."""
    if len({frame.path for frame in frames}) == 1:
        return tuple(frames)
    numbers = [frame.header.get("InstanceNumber") for frame in frames]
    if None in numbers or len(set(numbers)) < len({frame.path for frame in frames}):
        raise ScanError(
            f"{path} holds images without a position in the patient, and their "
            "instance numbers are missing or doubled: their order is unknown. Give "
            "them one by one."
        )
    logger.warning(
        "%s: its images have no position in the patient; planes are in the order of "
        "their instance numbers.",
        path,
    )
    return tuple(sorted(frames, key=lambda f: (int(f.header.InstanceNumber), f.number)))


def _even_step(path: Path, frames: Sequence[Frame], depths: np.ndarray) -> float:
    """The distance from plane to plane, in mm.

    Raises:
        ScanError: If two planes lie at one place, or planes are missing.
    """
    steps = np.diff(depths)
    usual = float(np.median(steps))
    for (one, other), step in zip(pairwise(frames), steps.tolist(), strict=True):
        pair = f"{_name(one)} and {_name(other)}"
        if step <= _UNEVEN * usual or step <= 1e-6:
            raise ScanError(
                f"{path}: {pair} lie at one place, {step:.3g} mm apart; planes are "
                f"{usual:.4g} mm apart. Keep one image a place: one time, one echo."
            )
        if abs(step - usual) > _UNEVEN * usual:
            raise ScanError(
                f"{path}: {pair} are {step:.4g} mm apart, other planes {usual:.4g} mm. "
                "Images are missing, or distances differ: export the whole series, or "
                "resample it."
            )
    return float(depths[-1] - depths[0]) / len(steps)


def _refuse_slanted(
    path: Path, frames: Sequence[Frame], places: np.ndarray, normal: np.ndarray
) -> None:
    """Refuse planes that are shifted against each other, as a tilted gantry does."""
    way = places[-1] - places[0]
    aside = float(np.linalg.norm(way - (way @ normal) * normal))
    half_a_pixel = min(frames[0].pixel_mm or (1.0, 1.0)) / 2
    if aside > max(half_a_pixel, 1e-3):
        raise ScanError(
            f"{path}: from {_name(frames[0])} to {_name(frames[-1])} planes are "
            f"shifted sideways by {aside:.3g} mm (a tilted gantry?); such a volume has "
            "no right angles. Resample it first."
        )


def _name(frame: Frame) -> str:
    """A frame as errors call it."""
    is_alone = int(frame.header.get("NumberOfFrames") or 1) == 1
    return frame.path.name if is_alone else f"frame {frame.number} of {frame.path.name}"
