"""Measure masks that any tool wrote against the truth, images or volumes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.data.mask_values import MaskValues
from segx.errors import DataError
from segx.evaluation.mask_ids import ClassIds, explain_ids, values_of
from segx.evaluation.masks import MaskEvaluation, common_unit
from segx.evaluation.pairs import MaskPair, match_masks, shape_and_spacing
from segx.evaluation.provenance import Provenance, versions
from segx.scans.files import open_scan, scan_files
from segx.scans.suffix import split_suffix

__all__ = ["Meaning", "evaluate_masks"]

_logger = logging.getLogger(__name__)

OnRead = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What masks do not say of themselves.

    Args:
        classes: What ids mean; None guesses 0 … K-1.
        ignore_index: Value of the truth's pixels that don't count.
        pixel_mm: Distance of neighbours along each axis, or one for all, where the
            truth's file does not say.
        patient_pattern: Regular expression that finds the patient in a case's name.
        missing_as_empty: Take a missing prediction for an empty one.
        images: Folder of images with the masks' stems, for the report alone.
    """

    classes: ClassIds | None = None
    ignore_index: int | None = None
    pixel_mm: tuple[float, ...] | None = None
    patient_pattern: str | None = None
    missing_as_empty: bool = False
    images: Path | None = None


def evaluate_masks(
    truth: Path,
    predicted: Path,
    *,
    meaning: Meaning,
    tolerance: float | None = None,
    on_read: OnRead | None = None,
) -> tuple[MaskEvaluation, Provenance]:
    """Compare masks of one case after another.

    Each file is read twice: what the values mean is known only once all were seen.

    Args:
        truth: A mask, or a folder of masks.
        predicted: Likewise, with the same stems.
        meaning: What masks do not say of themselves.
        tolerance: Distance up to which surfaces agree, in mm, or in pixels where
            their size is unknown; None leaves the surface Dice out.
        on_read: Called with the number of cases read, and of all readings.

    Raises:
        DataError: If masks do not belong together or hold values without a meaning.
        ScanError: If a file can't be read.
    """
    say = on_read or _silent
    pairs = match_masks(
        truth,
        predicted,
        patient_pattern=meaning.patient_pattern,
        allow_missing=meaning.missing_as_empty,
    )
    headers = [shape_and_spacing(pair) for pair in pairs]
    spacings = [
        spacing or _given(meaning.pixel_mm, axes=len(shape))
        for shape, spacing in headers
    ]
    real, named = explain_ids(
        *_values(pairs, say),
        classes=meaning.classes,
        ignore_index=meaning.ignore_index,
    )
    evaluation = MaskEvaluation(
        real.labels, unit=common_unit(spacings), tolerance=tolerance
    )
    images = _by_stem(meaning.images)
    for done, (pair, spacing_mm) in enumerate(zip(pairs, spacings, strict=True)):
        evaluation.add(
            pair.case,
            *_ids(pair, real, named),
            patient=pair.patient,
            spacing_mm=spacing_mm,
            image=images.get(pair.case),
        )
        say(len(pairs) + done + 1, 2 * len(pairs))
    notes = tuple(_notes(real, named, pairs, is_guess=meaning.classes is None))
    for note in notes:
        _logger.info("%s", note)
    return evaluation, Provenance(
        str(truth), str(predicted), notes=notes, versions=versions()
    )


def _by_stem(folder: Path | None) -> dict[str, Path]:
    """The images of a folder by stem."""
    files = [] if folder is None else scan_files([folder])
    return {split_suffix(path)[0]: path for path in files}


def _values(pairs: Sequence[MaskPair], say: OnRead) -> tuple[set[int], set[int]]:
    """All values of the truth, and all of the prediction."""
    found: tuple[set[int], set[int]] = (set(), set())
    for done, pair in enumerate(pairs, start=1):
        for values, path in zip(found, (pair.truth, pair.predicted), strict=True):
            if path is not None:
                values.update(values_of(_stored(path), source=path))
        say(done, 2 * len(pairs))
    return found


def _ids(
    pair: MaskPair, real: MaskValues, named: MaskValues
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Truth and prediction of a case as ids; a missing prediction is empty."""
    truth = real.to_ids(_stored(pair.truth), source=pair.truth)
    if pair.predicted is None:
        return truth, np.zeros_like(truth)
    return truth, named.to_ids(_stored(pair.predicted), source=pair.predicted)


def _stored(path: Path) -> NDArray[np.integer]:
    """The values of a mask, (rows, cols) or (planes, rows, cols)."""
    with open_scan(path, as_mask=True) as scan:
        if scan.channels != 1 or scan.dtype.kind not in "bui":
            raise DataError(
                f"{path} has {scan.channels} channels of {scan.dtype}; a mask has one, "
                "of whole numbers. Save class ids, not colours or probabilities."
            )
        planes = [scan.read_all(plane=plane)[..., 0] for plane in range(scan.planes)]
    whole = planes[0] if len(planes) == 1 else np.stack(planes)
    return whole.astype(np.uint8) if whole.dtype.kind == "b" else whole


def _given(
    pixel_mm: tuple[float, ...] | None, *, axes: int
) -> tuple[float, ...] | None:
    """The distances that the user gives for masks that do not tell them."""
    if pixel_mm is None:
        return None
    if len(pixel_mm) not in (1, axes):
        raise DataError(
            f"{len(pixel_mm)} pixel sizes given for masks of {axes} axes; allowed are "
            f"one, or {axes}: {'planes, ' if axes == 3 else ''}rows, columns."
        )
    return pixel_mm * axes if len(pixel_mm) == 1 else pixel_mm


def _notes(
    real: MaskValues, named: MaskValues, pairs: Sequence[MaskPair], *, is_guess: bool
) -> Iterator[str]:
    """What was decided on the way, in words."""
    if is_guess:
        yield f"Classes guessed from the values: {', '.join(real.labels.names)}."
    for side, values in (("truth", real), ("prediction", named)):
        if values.is_mapped:
            ids = (f"{stored} → {index}" for stored, index in values.ids.items())
            yield f"Values of the {side}: {', '.join(ids)}."
    missing = [pair.case for pair in pairs if pair.predicted is None]
    if missing:
        yield f"Missing predictions taken for empty ones: {', '.join(missing)}."


def _silent(done: int, total: int) -> None:
    """Say nothing."""
