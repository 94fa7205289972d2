"""A mask as a DICOM segmentation that refers to the images it was made of."""

import hashlib
import importlib.metadata
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from segx.atomic import replacing
from segx.errors import MissingExtraError, ScanError
from segx.extras import install_extra
from segx.labels import Labels
from segx.scans.dicom import DicomScan
from segx.scans.resolution import ResolvedScan
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom import Dataset

__all__ = ["DicomSeg"]

_OTHERS = ".nii.gz, .nrrd, .mha or .ome.tif"
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# Attributes that must be there but may be empty; who makes data anonymous drops them.
_MAY_BE_EMPTY = (
    "AccessionNumber",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyID",
    "StudyTime",
)
_SEXES = ("F", "M", "O")
_SERIES_NUMBER = 9001  # beyond those that scanners give
_NO_DATE, _NO_TIME = "19700101", "000000"
_LONGEST_LABEL = 64  # characters of what DICOM calls a long string


class DicomSeg(MaskSink):
    """One BINARY segmentation: a segment a class, overlapping ones of multilabel masks.

    It refers to each source image and takes their patient, study and geometry. Frames
    without a pixel of their segment are left out, as is usual; a mask that is empty
    altogether keeps them, for a DICOM image has at least one frame. Segments are called
    by their class names and coded as tissue: which anatomy they are, segx can't know.

    The same mask of the same images gives the same bytes: unique identifiers derive
    from those of the images, the names and the mask; dates and times are the study's,
    or 1970 where it has none.

    Bands are spooled to an unnamed file in the same folder, from which highdicom takes
    plane by plane. In memory it holds the finished frames, one bit a pixel, and of a
    multilabel mask, to see whether segments overlap, 8 bytes a voxel.

    References:
        DICOM PS3.3, A.51 (Segmentation IOD).
        Bridge et al. 2022, doi:10.1007/s10278-022-00683-y (highdicom).
    """

    holds_planes: ClassVar[bool] = True

    def _open(self, files: ExitStack, *, like: Scan) -> None:
        _require_highdicom()
        self._sources = _sources(self.path, like)
        self._frame_numbers: Sequence[int] = range(self.planes)
        frames = 1
        if isinstance(like, DicomScan) and len(self._sources) == 1:
            # highdicom wants planes in the order in which a multi-frame file has them.
            self._frame_numbers, frames = like.frame_numbers, self.planes
        is_multilabel = self.labels.kind == "multilabel"
        layers = (len(self.labels.names),) if is_multilabel else ()
        self._plane_shape = (self.extent.rows, self.extent.cols, *layers)
        self._digest, self._is_empty = hashlib.sha256(), True
        # What can't be written is better known before the scan is predicted.
        blank = np.broadcast_to(np.uint8(0), (frames, *self._plane_shape))
        self._segmentation(self._sources[:1], blank)
        self._temporary = files.enter_context(replacing(self.path))
        spool = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115 — `files` closes it
        self._spool = files.enter_context(spool)

    def _append(self, mask: NDArray[np.uint8]) -> None:
        self._digest.update(mask.data)
        self._is_empty &= not mask.any()
        row = self._frame_numbers[self._plane] * self.extent.rows + self._rows_done
        self._spool.seek(row * math.prod(self._plane_shape[1:]))
        self._spool.write(mask.data)

    def _finish(self) -> None:
        self._spool.flush()
        shape = (self.planes, *self._plane_shape)
        mask = np.memmap(self._spool, np.uint8, mode="r", shape=shape)
        segmentation = self._segmentation(self._sources, mask)
        segmentation.save_as(self._temporary, enforce_file_format=True)

    def _segmentation(
        self, sources: Sequence["Dataset"], mask: NDArray[np.uint8]
    ) -> "Segmentation":
        """The segmentation of all sources, or of the first to see whether it works."""
        from highdicom.seg import Segmentation, SegmentationTypeValues

        try:
            segmentation = Segmentation(
                source_images=sources,
                pixel_array=mask,
                segmentation_type=SegmentationTypeValues.BINARY,
                segment_descriptions=list(_descriptions(self.labels)),
                series_instance_uid=self._uid("series"),
                series_number=_SERIES_NUMBER,
                sop_instance_uid=self._uid("instance"),
                instance_number=1,
                manufacturer="segx",
                manufacturer_model_name="segx",
                software_versions=_version(),
                device_serial_number="none",
                specific_character_set="ISO_IR 192",
                series_description="Segmentation by segx",
                omit_empty_frames=not self._is_empty,
            )
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise ScanError(
                f"{self.path} can't be written as a DICOM segmentation: {error}. "
                f"Write {_OTHERS}."
            ) from error
        _settle(segmentation, sources[0], dimensions=self._uid("dimensions"))
        return segmentation

    def _uid(self, role: str) -> str:
        """An identifier that depends on the images, the names and the mask alone."""
        from pydicom.uid import generate_uid

        images = [str(source.SOPInstanceUID) for source in self._sources]
        names = [self.labels.kind, *self.labels.names]
        return str(
            generate_uid(
                entropy_srcs=[role, *images, repr(names), self._digest.hexdigest()]
            )
        )


def _sources(path: Path, like: Scan) -> list["Dataset"]:
    """The headers of the images, the first one with all that a segmentation copies.

    Raises:
        ScanError: If a segmentation can't refer to them.
    """
    if isinstance(like, ResolvedScan) and isinstance(like.source, DicomScan):
        raise ScanError(
            f"{path} would be a DICOM segmentation, which has the pixels of its "
            f"images, and {like.path} would be predicted at another resolution. Do "
            "without --level, --mpp and --pixel-size, or convert the images to .nii.gz."
        )
    if not isinstance(like, DicomScan):
        raise ScanError(
            f"{path} would be a DICOM segmentation, which refers to DICOM images, and "
            f"{like.path} is none. Write {_OTHERS}; one plane .png or .tif, too."
        )
    first, *others = like.headers
    if like.planes > 1 and like.space is None:
        raise ScanError(
            f"{path} would be a DICOM segmentation, which needs to know where the "
            f"planes of {like.path} lie in the patient; the headers don't say. Write "
            f"{_OTHERS}."
        )
    if others and like.planes > 1 + len(others):
        raise ScanError(
            f"{path} would be a DICOM segmentation, which can refer to one file of "
            f"several frames; {like.path} has {1 + len(others)}. Write {_OTHERS}."
        )
    for header in (first, *others):
        missing = [keyword for keyword in _NEEDED if not header.get(keyword)]
        if missing:
            raise ScanError(
                f"{path} would be a DICOM segmentation, which refers to its images by "
                f"{', '.join(missing)}; {like.path} lacks it. Write {_OTHERS}."
            )
    return [_complete(first), *others]


def _complete(header: "Dataset") -> "Dataset":
    """A copy with empty values where something that may be empty is missing."""
    header = deepcopy(header)
    for keyword in _MAY_BE_EMPTY:
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    if header.get("PatientSex") not in _SEXES:
        header.PatientSex = ""
    return header


def _descriptions(labels: Labels) -> Iterator["SegmentDescription"]:
    """One description a class but the background."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
    from pydicom.sr.codedict import codes

    colours = labels.colours[-len(labels.foreground) :]
    for number, name in enumerate(labels.foreground):
        yield SegmentDescription(
            segment_number=number + 1,
            # A backslash would begin a second value.
            segment_label=name.replace("\\", "/")[:_LONGEST_LABEL],
            segmented_property_category=codes.cid7150.Tissue,
            segmented_property_type=codes.cid7166.Tissue,
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=AlgorithmIdentificationSequence(
                name="segx",
                family=codes.cid7162.ArtificialIntelligence,
                version=_version(),
            ),
            display_color=CIELabColor.from_rgb(*colours[number]),
        )


def _settle(
    segmentation: "Segmentation", source: "Dataset", *, dimensions: str
) -> None:
    """Replace what depends on the clock or on chance."""
    from pydicom.valuerep import DA, DT, TM

    date = source.get("StudyDate") or _NO_DATE
    time = source.get("StudyTime") or _NO_TIME
    segmentation.InstanceCreationDate = segmentation.ContentDate = DA(date)
    segmentation.InstanceCreationTime = segmentation.ContentTime = TM(time)
    highdicom = segmentation.ContributingEquipmentSequence[-1]
    highdicom.ContributionDateTime = DT(f"{date}{time}")
    for item in (
        *segmentation.DimensionOrganizationSequence,
        *segmentation.DimensionIndexSequence,
    ):
        item.DimensionOrganizationUID = dimensions


def _version() -> str:
    """The version of segx that is installed."""
    try:
        return importlib.metadata.version("segx")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"  # it runs from its folder of sources


def _require_highdicom() -> None:
    try:
        import highdicom  # noqa: F401 — only whether it is there
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Writing DICOM segmentations needs highdicom, which is not installed. "
            f"Install it: {install_extra('dicom')}"
        ) from error
