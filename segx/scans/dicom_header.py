"""What a DICOM file's header says of its frames, checked before a pixel is read."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import parse_fragments
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder

from segx.errors import ScanError
from segx.geometry import Extent, Vector
from segx.scans.damage import reading
from segx.scans.raster import MOST_PIXELS

__all__ = ["Frame", "is_image", "kind_of", "read_frames", "read_header"]

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
        groups: The functional groups that describe this frame, its own ones first;
            none in a file of a single frame without such groups.
    """

    path: Path
    number: int
    header: Dataset = field(repr=False)
    groups: tuple[Dataset, ...] = field(repr=False)

    @property
    def extent(self) -> Extent:
        """Rows and columns."""
        return Extent(int(self.header.Rows), int(self.header.Columns))

    @property
    def photometric(self) -> str:
        """How stored values are seen, such as MONOCHROME2."""
        return str(self.header.PhotometricInterpretation)

    @cached_property
    def position(self) -> Vector | None:
        """Centre of the first pixel in the patient, in mm."""
        values = self._numbers("PlanePositionSequence", "ImagePositionPatient", 3)
        return None if values is None else _vector(values)

    @cached_property
    def orientation(self) -> tuple[Vector, Vector] | None:
        """Unit vectors along a row, to the right, and along a column, downwards.

        Raises:
            ScanError: If they do not stand at right angles.
        """
        values = self._numbers("PlaneOrientationSequence", "ImageOrientationPatient", 6)
        if values is None:
            return None
        right, down = np.array(values[:3]), np.array(values[3:])
        lengths = np.linalg.norm(right), np.linalg.norm(down)
        if not np.allclose([*lengths, right @ down], [1, 1, 0], atol=1e-2):
            raise ScanError(
                f"{self.path} has an ImageOrientationPatient of {values}; two unit "
                "vectors at right angles are needed. Export it again."
            )
        right, down = right / lengths[0], down / lengths[1]
        return _vector(right), _vector(down)

    @cached_property
    def pixel_mm(self) -> tuple[float, float] | None:
        """Height and width of a pixel in the patient."""
        values = self._numbers("PixelMeasuresSequence", "PixelSpacing", 2)
        return (values[0], values[1]) if values and min(values) > 0 else None

    @cached_property
    def thickness_mm(self) -> float | None:
        """What a plane alone says of the distance to the next."""
        for keyword in ("SpacingBetweenSlices", "SliceThickness"):
            values = self._numbers("PixelMeasuresSequence", keyword, 1)
            if values and values[0] > 0:
                return values[0]
        return None

    @cached_property
    def rescale(self) -> tuple[float, float]:
        """Slope and intercept that give stored values their meaning."""
        place = "PixelValueTransformationSequence"
        slope = self._numbers(place, "RescaleSlope", 1) or (1.0,)
        intercept = self._numbers(place, "RescaleIntercept", 1) or (0.0,)
        return slope[0], intercept[0]

    def _numbers(
        self, sequence: str, keyword: str, count: int
    ) -> tuple[float, ...] | None:
        """Finite numbers from the functional groups or, without them, the header."""
        with reading(self.path):
            places = [group[sequence][0] for group in self.groups if sequence in group]
            is_alone = int(self.header.get("NumberOfFrames") or 1) == 1
            # Where an old multi-frame file gives a position, it is its first frame's.
            if is_alone or keyword != "ImagePositionPatient":
                places.append(self.header)
            found = [place.get(keyword) for place in places]
            given = [value for value in found if value not in (None, "")]
            if not given:
                return None
            values = np.atleast_1d(np.asarray(given[0], np.float64))
        if values.shape != (count,) or not np.isfinite(values).all():
            raise ScanError(
                f"{self.path} has a {keyword} of {given[0]}; {count} numbers are "
                "needed. Export it again."
            )
        return tuple(values.tolist())


def read_header(path: Path) -> Dataset:
    """Parse a file up to its pixels.

    Raises:
        ScanError: If it is missing, no DICOM file, or cut short, or if it holds an
            image of an unsupported kind.
    """
    with reading(path), path.open("rb") as file:
        try:
            header = dcmread(file, stop_before_pixels=True)
        except InvalidDicomError as error:
            raise ScanError(
                f"{path} is no DICOM file: 'DICM' does not stand at byte 128. It is "
                "damaged or cut short, or its name has the wrong suffix."
            ) from error
        if is_image(header):
            _refuse_unreadable(path, header)
            _refuse_incomplete(path, header, file)
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
    """All frames of a file, in the file's order."""
    with reading(path):
        count = int(header.get("NumberOfFrames") or 1)
        shared = tuple(header.get("SharedFunctionalGroupsSequence") or ())
        own: Sequence[Dataset] = header.get("PerFrameFunctionalGroupsSequence") or ()
        if own and len(own) != count:
            raise ScanError(
                f"{path} has {count} frames and describes {len(own)}. It is damaged: "
                "export it again."
            )
        groups = [(group, *shared) for group in own] if own else [shared] * count
    return [Frame(path, number, header, groups[number]) for number in range(count)]


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
        frames = int(header.get("NumberOfFrames") or 1)
        end = size + 1
        # The first fragment is the table of offsets.
        if len(offsets) > frames:
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
    frames = int(header.get("NumberOfFrames") or 1)
    return math.ceil(values * frames * int(header.BitsAllocated) / 8)


def _vector(values: Iterable[float]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
