"""One case looked at whole: every pixel of its image and masks is read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.data.case import Case
from segx.data.defects import Defect
from segx.data.mask_values import MOST_STORED
from segx.errors import ScanError
from segx.geometry import Extent
from segx.scans import match_channels, open_scan

__all__ = ["CaseFacts", "Examined", "examine"]

_SAMPLED_PIXELS = 4096


@dataclass(frozen=True)
class CaseFacts:
    """What a case turned out to hold.

    Args:
        case: The case.
        extent: Size of its image, in pixels.
        stored_channels: Channels in the file.
        channels: Channels without an alpha channel that is opaque everywhere.
        dtype: Type of the image's values.
        values: For each mask, its stored values and the number of pixels of each.
        sample: Stored values of evenly spread pixels, shape (pixels, channels), where
            the type alone does not tell the range.
    """

    case: Case
    extent: Extent
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


def examine(case: Case, *, channels: int | None) -> Examined:
    """Read an image and its masks.

    Args:
        case: The case.
        channels: Number of channels that the image must be readable with; None if the
            data set decides.
    """
    defects: list[Defect] = []
    image = _read(case.image, defects, as_mask=False)
    masks = [_read(path, defects, as_mask=True) for path in case.masks]
    values = []
    for path, mask in zip(case.masks, masks, strict=True):
        if mask is not None and image is not None and mask.shape[:2] != image.shape[:2]:
            defects.append(Defect(path, _differs(mask, image, case.image)))
        elif mask is not None:
            values.append(_count(mask, path, defects))
    if image is not None and channels is not None:
        try:
            match_channels(image, channels, source=case.image)
        except ScanError as error:
            defects.append(Defect(case.image, str(error)))
    if image is not None and image.dtype.kind == "f" and not np.isfinite(image).all():
        count = int(np.count_nonzero(~np.isfinite(image)))
        problem = f"holds {count} values that are NaN or infinite; replace them."
        defects.append(Defect(case.image, problem))
    if image is None or defects:
        return Examined(None, tuple(defects))
    rows, cols, stored = image.shape
    facts = CaseFacts(
        case=case,
        extent=Extent(rows, cols),
        stored_channels=stored,
        channels=stored - _has_opaque_alpha(image),
        dtype=image.dtype,
        values=tuple(values),
        sample=None if image.dtype == np.uint8 else _sample(image),
    )
    return Examined(facts, ())


def _read(path: Path, defects: list[Defect], *, as_mask: bool) -> NDArray[Any] | None:
    """All of a file, or a defect."""
    try:
        with open_scan(path, as_mask=as_mask) as scan:
            return scan.read_all()
    except ScanError as error:
        defects.append(Defect(path, str(error)))
        return None


def _differs(mask: NDArray[Any], image: NDArray[Any], path: Path) -> str:
    """Say that a mask has another size than its image."""
    ours, theirs = Extent(*mask.shape[:2]), Extent(*image.shape[:2])
    turned = (ours.cols, ours.rows) == (theirs.rows, theirs.cols)
    return (
        f"has {ours} px, but its image {path} has {theirs} px (rows x columns)."
        f"{' One of them is turned.' if turned else ''}"
    )


def _count(mask: NDArray[Any], path: Path, defects: list[Defect]) -> dict[int, int]:
    """Pixels of each stored value, or a defect if a mask can't hold such values."""
    channels = mask.shape[2]
    problem = None
    if channels != 1:
        equal = (mask == mask[..., :1]).all()
        repair = "keep one of its equal channels" if equal else "store ids, not colours"
        problem = (
            f"is a picture with {channels} channels; a mask has one, with the id of "
            f"the class in each pixel: {repair}, as grey or indexed PNG."
        )
    elif mask.dtype.kind not in "bui":
        problem = f"holds {mask.dtype} values; a mask holds whole numbers."
    elif mask.min() < 0 or mask.max() > MOST_STORED:
        problem = f"holds {mask.min()} … {mask.max()}; allowed is 0 … {MOST_STORED}."
    if problem is not None:
        defects.append(Defect(path, problem))
        return {}
    counts = np.bincount(mask.ravel())
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def _has_opaque_alpha(image: NDArray[Any]) -> bool:
    """Whether the last of 2 or 4 channels is at its largest value everywhere."""
    if image.shape[2] not in {2, 4}:
        return False
    opaque = np.iinfo(image.dtype).max if image.dtype.kind in "ui" else 1
    return bool((image[..., -1] == opaque).all())


def _sample(image: NDArray[Any]) -> NDArray[Any]:
    """Evenly spread pixels of an image, shape (pixels, channels)."""
    pixels = image.reshape(-1, image.shape[2])
    count = min(len(pixels), _SAMPLED_PIXELS)
    return pixels[np.linspace(0, len(pixels) - 1, count).astype(np.intp)].copy()
