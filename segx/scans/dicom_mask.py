"""A DICOM segmentation read as a mask: ids, plane by plane of the images it is of."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, uid

from segx.errors import ScanError
from segx.geometry import Region, Space
from segx.scans.damage import reading
from segx.scans.dicom_header import Frame, as_vector, read_frames, read_header
from segx.scans.scan import Scan

__all__ = ["SegmentationScan", "is_segmentation"]


class SegmentationScan(Scan):
    """A BINARY segmentation whose segments don't overlap: their numbers are the ids.

    Its planes are those of the images that it refers to, in that order, so that frames
    which were left out as empty are planes of background.

    Args:
        path: The file.

    Raises:
        ScanError: If it is damaged, of another type, or its frames don't say of which
            single-frame image each is.
    """

    def __init__(self, path: Path) -> None:
        header = read_header(path)
        with reading(path):
            self._refuse_other_types(path, header)
            frames = read_frames(path, header)
            images = _images(header)
            self._segments = _segments(path, header, images)
            space = _space(path, frames, self._segments)
        self._frames = len(frames)
        self._bits: NDArray[np.uint8] | None = None
        super().__init__(
            path,
            extent=frames[0].extent,
            channels=1,
            dtype=np.dtype(np.uint8),
            planes=len(images),
            spacing_mm=frames[0].pixel_mm,
            space=space,
        )

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        ids = np.zeros((self.extent.rows, self.extent.cols), np.uint8)
        for frame, number in self._segments.get(plane, ()):
            shown = self._shown(frame)
            if ids[shown].any():
                raise ScanError(
                    f"{self.path} has segments that overlap in plane {plane}; a mask "
                    "has one id a pixel. Save each segment as a mask of its own."
                )
            ids[shown] = number
        return np.ascontiguousarray(ids[region.slices][..., np.newaxis])

    def _shown(self, frame: int) -> NDArray[np.bool_]:
        """Where a frame shows its segment, (rows, cols).

        Frames follow each other bit by bit and may begin within a byte, which pydicom
        can't take apart.
        """
        if self._bits is None:
            self._bits = self._read_bits()
        first = frame * self.extent.pixels
        end = first + self.extent.pixels
        held = np.unpackbits(self._bits[first // 8 : -(-end // 8)], bitorder="little")
        shown = held[first % 8 :][: self.extent.pixels].astype(np.bool_)
        return shown.reshape(self.extent.rows, self.extent.cols)

    def _read_bits(self) -> NDArray[np.uint8]:
        """All frames, 8 pixels a byte."""
        with reading(self.path):
            bits = np.frombuffer(dcmread(self.path).PixelData, np.uint8)
        if 8 * len(bits) < self._frames * self.extent.pixels:
            raise ScanError(
                f"{self.path} is cut short: {self._frames} frames of {self.extent} "
                f"pixels don't fit in {len(bits)} bytes. Copy it again."
            )
        return bits

    @staticmethod
    def _refuse_other_types(path: Path, header: Dataset) -> None:
        found = header.get("SegmentationType")
        numbers = [int(item.SegmentNumber) for item in header.SegmentSequence]
        encoding = header.file_meta.TransferSyntaxUID
        is_plain = found == "BINARY" and not encoding.is_encapsulated
        if not is_plain or max(numbers) > np.iinfo(np.uint8).max:
            raise ScanError(
                f"{path} is a {found} segmentation ({encoding.name}) with segments up "
                f"to number {max(numbers)}. Allowed is an uncompressed BINARY one, up "
                "to 255. Convert it."
            )


def is_segmentation(path: Path) -> bool:
    """Whether a file is a DICOM segmentation."""
    header = read_header(path)
    with reading(path):
        return bool(header.get("SOPClassUID") == uid.SegmentationStorage)


def _images(header: Dataset) -> list[str]:
    """Identifiers of the images that a segmentation refers to, in its order."""
    return [
        str(image.ReferencedSOPInstanceUID)
        for series in header.ReferencedSeriesSequence
        for image in series.ReferencedInstanceSequence
    ]


def _segments(
    path: Path, header: Dataset, images: Sequence[str]
) -> dict[int, list[tuple[int, int]]]:
    """For each plane its frames, by number, and the segment that each shows."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    shared = header.SharedFunctionalGroupsSequence[0]
    for number, own in enumerate(header.PerFrameFunctionalGroupsSequence):
        holder = own if "SegmentIdentificationSequence" in own else shared
        segment = holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        sources = [
            image
            for derivation in own.get("DerivationImageSequence") or ()
            for image in derivation.SourceImageSequence
        ]
        names = [str(image.ReferencedSOPInstanceUID) for image in sources]
        is_clear = len(names) == 1 and names[0] in images
        if not is_clear or "ReferencedFrameNumber" in sources[0]:
            raise ScanError(
                f"{path}: its frame {number} does not say of which single-frame image "
                "it is, so that its plane is unknown. Convert it to a volume."
            )
        found[images.index(names[0])].append((number, int(segment)))
    return found


def _space(
    path: Path,
    frames: Sequence[Frame],
    segments: dict[int, list[tuple[int, int]]],
) -> Space | None:
    """Where the planes lie, seen from those that have frames."""
    first = frames[0]
    if first.orientation is None or first.pixel_mm is None or first.position is None:
        return None
    right, down = (np.array(vector) for vector in first.orientation)
    normal = np.cross(right, down)
    step_mm = first.thickness_mm or 1.0
    origins = [
        np.array(frames[number].position) - plane * step_mm * normal
        for plane, shown in segments.items()
        for number, _ in shown
    ]
    if not np.allclose(origins, origins[0], atol=0.1 * step_mm):
        raise ScanError(
            f"{path} lists its images in another order than they lie in the patient, "
            "or not at equal distances. Convert it to a volume."
        )
    return Space(
        (step_mm, *first.pixel_mm),
        as_vector(origins[0]),
        (as_vector(normal), as_vector(down), as_vector(right)),
    )
