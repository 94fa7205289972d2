"""Which mask of a prediction belongs to which mask of the truth."""

import itertools
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segx.errors import DataError
from segx.evaluation.masks import spacing_of
from segx.geometry import PLACE_ROUNDING_MM, TURN_ROUNDING, Space
from segx.scans.files import open_scan, scan_files
from segx.scans.scan import Scan
from segx.scans.suffix import split_suffix

__all__ = ["MaskPair", "match_masks", "shape_and_spacing"]

_logger = logging.getLogger(__name__)

_LISTED = 10
_BESIDE = ("_overlay.png", "_uncertainty.tif", "_probabilities.tif")
_SPACING_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class MaskPair:
    """The masks of one case.

    Args:
        case: Name of the case: the stem of the truth's file.
        patient: Whom it is of; None if unknown.
        truth: File of the truth.
        predicted: File of the prediction; None if it is missing.
    """

    case: str
    patient: str | None
    truth: Path
    predicted: Path | None


def match_masks(
    truth: Path,
    predicted: Path,
    *,
    patient_pattern: str | None = None,
    allow_missing: bool = False,
) -> list[MaskPair]:
    """Pair files by stem, such as ``liver_7.nii.gz`` and ``liver_7.nrrd``.

    What `segx predict` writes beside masks is no mask. Predictions without a truth are
    left aside, and that is said.

    Args:
        truth: A mask, or a folder of masks.
        predicted: Likewise.
        patient_pattern: Regular expression that finds the patient in a case's name:
            its first group, or all that it matches.
        allow_missing: Keep cases without a prediction.

    Raises:
        DataError: If a file is there for a folder, a stem twice, a prediction missing,
            or a name has no patient; with all of them.
        ScanError: If a path does not exist or holds no mask.
    """
    files, others = scan_files([truth]), scan_files([predicted])
    is_file, other_is_file = files == [truth], others == [predicted]
    if is_file != other_is_file:
        raise DataError(
            f"{truth} is {_kind(is_file)}, but {predicted} {_kind(other_is_file)}. "
            "Give two masks, or two folders of masks."
        )
    if is_file:
        name = _stem(truth)
        return [MaskPair(name, _patient(name, patient_pattern), truth, predicted)]
    found, at_hand = _by_stem(_masks_of(files)), _by_stem(_masks_of(others))
    missing = [stem for stem in found if stem not in at_hand]
    surplus = [stem for stem in at_hand if stem not in found]
    if missing and not allow_missing:
        raise DataError(_missing(missing, surplus, total=len(found), folder=predicted))
    if surplus:
        _logger.warning(
            "%d masks of %s have no truth and are left aside: %s",
            len(surplus),
            predicted,
            _list(surplus),
        )
    return [
        MaskPair(stem, _patient(stem, patient_pattern), path, at_hand.get(stem))
        for stem, path in found.items()
    ]


def shape_and_spacing(
    pair: MaskPair,
) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """Shape of a case's truth and distance of its pixels, by its header.

    Returns:
        (rows, cols) or (planes, rows, cols), and mm along each axis; None where the
        truth's file does not say.

    Raises:
        DataError: If the prediction has another size or lies elsewhere.
    """
    with open_scan(pair.truth, as_mask=True) as truth:
        shape = _shape(truth)
        if pair.predicted is not None:
            with open_scan(pair.predicted, as_mask=True) as predicted:
                _refuse_unlike(truth, predicted)
        return shape, spacing_of(truth)


def _refuse_unlike(truth: Scan, predicted: Scan) -> None:
    shapes = _shape(truth), _shape(predicted)
    if shapes[0] != shapes[1]:
        sizes = ["x".join(map(str, shape)) for shape in shapes]
        raise DataError(
            f"{truth.path} has {sizes[0]} px, but its prediction {predicted.path} "
            f"{sizes[1]}. Bring it to the truth's grid first, without interpolation."
        )
    if truth.space is None or predicted.space is None:
        return
    pairs = zip(_place(truth.space), _place(predicted.space), strict=True)
    for (name, there, rounding), (_, here, _) in pairs:
        if not np.allclose(there, here, rtol=_SPACING_ROUNDING, atol=rounding):
            raise DataError(
                f"{truth.path} and its prediction {predicted.path} lie differently in "
                f"the patient: {name} {_numbers(there)} and {_numbers(here)}. Resample "
                "the prediction onto the truth's grid, or correct its header."
            )


def _place(space: Space) -> tuple[tuple[str, Sequence[float], float], ...]:
    """Where a volume lies, and how far its header may be rounded."""
    return (
        ("spacing in mm", space.spacing_mm, 0.0),
        ("directions", [*itertools.chain(*space.directions)], TURN_ROUNDING),
        ("origin in mm", space.origin_mm, PLACE_ROUNDING_MM),
    )


def _numbers(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values)})"


def _shape(scan: Scan) -> tuple[int, ...]:
    plane = (scan.extent.rows, scan.extent.cols)
    return plane if scan.planes == 1 else (scan.planes, *plane)


def _masks_of(files: Sequence[Path]) -> list[Path]:
    """The files without those that `segx predict` wrote beside one of them."""
    stems = {_stem(path) for path in files}
    return [
        path
        for path in files
        if not any(
            path.name.endswith(suffix) and path.name.removesuffix(suffix) in stems
            for suffix in _BESIDE
        )
    ]


def _by_stem(files: Sequence[Path]) -> dict[str, Path]:
    count = Counter(_stem(path) for path in files)
    twice = [str(path) for path in files if count[_stem(path)] > 1]
    if twice:
        raise DataError(
            f"{len(twice)} masks share their stems: {_list(twice)}. Keep one each."
        )
    return {_stem(path): path for path in files}


def _stem(path: Path) -> str:
    return split_suffix(path)[0]


def _patient(case: str, pattern: str | None) -> str | None:
    if pattern is None:
        return None
    try:
        found = re.search(pattern, case)
    except re.error as error:
        raise DataError(
            f"The pattern {pattern!r} is no regular expression: {error}."
        ) from error
    patient: str | None = found and (found[1] if found.re.groups else found[0])
    if not patient:  # an optional group may match nothing
        raise DataError(
            f"The pattern {pattern!r} finds no patient in {case!r}. It must match a "
            "part of every case's name."
        )
    return patient


def _missing(
    missing: Sequence[str], surplus: Sequence[str], *, total: int, folder: Path
) -> str:
    there = f" It holds {_list(surplus)} instead." if surplus else ""
    return (
        f"{folder} lacks {len(missing)} of {total} predictions: {_list(missing)}."
        f"{there} Names must have the truth's stems. To count what is missing as "
        "missed objects, add --missing-as-empty."
    )


def _list(names: Sequence[str]) -> str:
    rest = f", … and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest


def _kind(is_file: bool) -> str:  # noqa: FBT001
    return "a file" if is_file else "a folder"
