"""What a DICOM file's header says of its frames, checked before a pixel is read."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import parse_fragments
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder

from segx.errors import ScanError
from segx.geometry import Extent, Vector
from segx.scans.damage import reading
from segx.scans.raster import MOST_PIXELS

__all__ = [
    "Frame",
    "as_vector",
    "is_image",
    "kind_of",
    "read_frames",
    "read_header",
]

# Objects with pixels of which a scan can't be made.
_NO_SCANS = {
    uid.SegmentationStorage,
    uid.UID("1.2.840.10008.5.1.4.1.1.66.7"),  # Label Map Segmentation Storage
    uid.VLWholeSlideMicroscopyImageStorage,
    uid.RTDoseStorage,
    uid.ParametricMapStorage,
}
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PALETTE = "PALETTE COLOR"
_EXPLICIT, _IMPLICIT = 12, 8  # bytes before the pixels: tag, VR, 2 reserved, length


@dataclass(frozen=True)
class Frame:
    """A frame of a DICOM file: a plane of a scan.

    Args:
        path: The file.
        number: Number of the frame within the file, from 0.
        header: What precedes the file's pixels.
        extent: Rows and columns.
        photometric: How stored values are seen, such as MONOCHROME2.
        reference: Unique identifier of the space that positions are given in.
        position: Centre of the first pixel in the patient, in mm.
        orientation: Unit vectors along a row, to the right, and along a column, down.
        pixel_mm: Height and width of a pixel in the patient.
        thickness_mm: What a plane alone says of the distance to the next.
        rescale: Slope and intercept that give stored values their meaning.
    """

    path: Path
    number: int
    header: Dataset = field(repr=False)
    extent: Extent
    photometric: str
    reference: str | None
    position: Vector | None
    orientation: tuple[Vector, Vector] | None
    pixel_mm: tuple[float, float] | None
    thickness_mm: float | None
    rescale: tuple[float, float]


def read_header(path: Path) -> Dataset:
    """Parse a file up to its pixels.

    Raises:
        ScanError: If it is missing, no DICOM file, or cut short, or if it holds an
            image of an unsupported kind.
    """
    with reading(path), path.open("rb") as file:
        try:
            header = dcmread(file, stop_before_pixels=True)
            if is_image(header):
                _refuse_unreadable(path, header)
                _refuse_incomplete(path, header, file)
            elif not _kind(header):
                raise ScanError(
                    f"{path} does not say what it holds. It is damaged or cut short: "
                    "copy it again."
                )
        except InvalidDicomError as error:
            raise ScanError(
                f"{path} is no DICOM file: 'DICM' does not stand at byte 128. It is "
                "damaged or cut short, or its name has the wrong suffix."
            ) from error
        except BytesLengthException as error:  # the one error that is no ValueError
            raise ValueError(str(error).partition(". ")[0]) from error
    return header


def is_image(header: Dataset) -> bool:
    """Whether a file holds an image, rather than a report, a mask or an index."""
    if _kind(header) in _NO_SCANS:
        return False
    return "Rows" in header or "Image Storage" in kind_of(header)


def kind_of(header: Dataset) -> str:
    """What kind of object a file holds, in DICOM's words."""
    return _kind(header).name or "no kind"


def read_frames(path: Path, header: Dataset) -> list[Frame]:
    """Describe all frames of a file, in the file's order.

    Raises:
        ScanError: If what the header says of them can't be true.
    """
    with reading(path):
        count = _frame_count(header)
        shared = list(header.get("SharedFunctionalGroupsSequence") or ())
        own = list(header.get("PerFrameFunctionalGroupsSequence") or ())
        if own and len(own) != count:
            raise ScanError(
                f"{path} has {count} frames and describes {len(own)}. It is damaged: "
                "export it again."
            )
        groups = [[group, *shared] for group in own] or [shared] * count
        return [_frame(path, n, header, groups[n]) for n in range(count)]


def _frame(
    path: Path, number: int, header: Dataset, groups: Sequence[Dataset]
) -> Frame:
    """Describe a frame by its functional groups and, without them, the header."""

    def numbers(sequence: str, keyword: str, count: int) -> list[float] | None:
        places = [group[sequence][0] for group in groups if sequence in group]
        # The position in the header of an old multi-frame file is its first frame's.
        if keyword != "ImagePositionPatient" or _frame_count(header) == 1:
            places.append(header)
        given = [place.get(keyword) for place in places]
        value = next((value for value in given if value not in (None, "")), None)
        if value is None:
            return None
        values = np.atleast_1d(np.asarray(value, np.float64))
        if values.shape != (count,) or not np.isfinite(values).all():
            raise ScanError(
                f"{path} has a {keyword} of {value}; {count} finite numbers are "
                "needed. Export it again."
            )
        return [float(item) for item in values]

    position = numbers("PlanePositionSequence", "ImagePositionPatient", 3)
    cosines = numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
    measures, meaning = "PixelMeasuresSequence", "PixelValueTransformationSequence"
    pixel = numbers(measures, "PixelSpacing", 2)
    step = numbers(measures, "SpacingBetweenSlices", 1) or [0.0]
    thickness = numbers(measures, "SliceThickness", 1) or [0.0]
    slope = numbers(meaning, "RescaleSlope", 1) or [1.0]
    intercept = numbers(meaning, "RescaleIntercept", 1) or [0.0]
    reference = header.get("FrameOfReferenceUID")
    return Frame(
        path=path,
        number=number,
        header=header,
        extent=Extent(int(header.Rows), int(header.Columns)),
        photometric=str(header.PhotometricInterpretation),
        reference=None if reference is None else str(reference),
        position=None if position is None else as_vector(position),
        orientation=None if cosines is None else _right_and_down(path, cosines),
        pixel_mm=(pixel[0], pixel[1]) if pixel and min(pixel) > 0 else None,
        thickness_mm=next((mm for mm in (*step, *thickness) if mm > 0), None),
        rescale=(slope[0], intercept[0]),
    )


def _right_and_down(path: Path, cosines: Sequence[float]) -> tuple[Vector, Vector]:
    """Unit vectors, if they stand at right angles."""
    right, down = np.array(cosines[:3]), np.array(cosines[3:])
    lengths = np.linalg.norm(right), np.linalg.norm(down)
    if not np.allclose([*lengths, right @ down], [1, 1, 0], atol=1e-2):
        raise ScanError(
            f"{path} has an ImageOrientationPatient of {cosines}; two unit vectors at "
            "right angles are needed. Export it again."
        )
    return as_vector(right / lengths[0]), as_vector(down / lengths[1])


def _frame_count(header: Dataset) -> int:
    return int(header.get("NumberOfFrames") or 1)


def as_vector(values: Iterable[float]) -> Vector:
    """Three numbers as a place or a direction."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def _kind(header: Dataset) -> uid.UID:
    meta: Any = header.file_meta
    return uid.UID(
        header.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or ""
    )


def _refuse_unreadable(path: Path, header: Dataset) -> None:
    """Refuse what would be misread, what can't be decoded, and what is too large."""
    needed = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
    missing = [keyword for keyword in needed if not header.get(keyword)]
    if missing:
        raise ScanError(
            f"{path} ({kind_of(header)}) lacks {', '.join(missing)}. It is damaged or "
            "cut short: copy it again."
        )
    pixels = int(header.Rows) * int(header.Columns)
    if pixels > MOST_PIXELS:
        raise ScanError(
            f"{path} has frames of {pixels / 1e6:.0f} million pixels; "
            f"{MOST_PIXELS / 1e6:.0f} million are allowed. Convert it to a tiled TIFF."
        )
    allowed = (*_GREY, *_COLOURS, _PALETTE)
    if header.PhotometricInterpretation not in allowed:
        raise ScanError(
            f"{path} stores {header.PhotometricInterpretation} colours. Allowed are "
            f"{', '.join(allowed)}. Convert it to one of these."
        )
    if "ModalityLUTSequence" in header:
        raise ScanError(
            f"{path} gives its values a meaning by a table (Modality LUT), which is "
            "not supported; slope and intercept are. Export it with these."
        )
    syntax = header.file_meta.get("TransferSyntaxUID", "")
    if not _can_decode(syntax):
        raise ScanError(
            f"{path} is encoded as {uid.UID(syntax).name or 'nothing known'}, which "
            "can't be decoded. Convert it to Explicit VR Little Endian, as with "
            "`dcmconv` or `gdcmconv --raw`."
        )


def _can_decode(syntax: str) -> bool:
    """Whether frames of a transfer syntax can be decoded one by one."""
    from segx.scans import dicom_codecs  # noqa: F401 — adds to what can be decoded

    if syntax == uid.DeflatedExplicitVRLittleEndian:
        return False  # the whole file is one stream
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _refuse_incomplete(path: Path, header: Dataset, file: BinaryIO) -> None:
    """Refuse a file that ends before its pixels do; `file` stands where they begin."""
    size, start = path.stat().st_size, file.tell()
    syntax = header.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        file.seek(start + _EXPLICIT)
        _, offsets = parse_fragments(file)
        end = size + 1
        # The first fragment is the table of offsets.
        if len(offsets) > _frame_count(header):
            file.seek(offsets[-1] + 4)
            end = offsets[-1] + 8 + int.from_bytes(file.read(4), "little")
    else:
        before = _IMPLICIT if syntax.is_implicit_VR else _EXPLICIT
        end = start + before + _native_bytes(header)
    if end > size:
        raise ScanError(
            f"{path} is cut short: it has {size} bytes, and its pixels begin at byte "
            f"{start} and end beyond the last one. Copy it again."
        )


def _native_bytes(header: Dataset) -> int:
    """Size of uncompressed pixels."""
    samples = 2 if header.PhotometricInterpretation == "YBR_FULL_422" else 0
    samples = samples or int(header.get("SamplesPerPixel") or 1)
    values = int(header.Rows) * int(header.Columns) * samples
    frames = _frame_count(header)
    return math.ceil(values * frames * int(header.BitsAllocated) / 8)
