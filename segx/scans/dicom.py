"""DICOM: one file, or a folder that holds one series, as planes in geometric order."""

from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import MissingExtraError, ScanError
from segx.extras import install_extra
from segx.geometry import Region
from segx.scans.damage import reading
from segx.scans.scan import Scan

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["DICOM_SUFFIXES", "DicomScan", "dicom_scans", "is_dicom", "open_dicom"]

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
"""Suffixes of DICOM files, in lower case; many have none, or end in a number."""

_MAGIC, _PREAMBLE_BYTES = b"DICM", 128
_STORES = (".zarr",)  # folders with very many files, none of them DICOM
_CACHE_BYTES = 256 * 2**20


class DicomScan(Scan):
    """A DICOM image: the frames of one file, or of all files of one series.

    Planes follow each other along the normal of their orientation, by their positions
    in the patient: neither file names nor instance numbers count, unless there are no
    positions. Values are what the headers say they mean: slope and intercept are
    applied, and the type is the smallest of the stored one, int16, int32 and, where
    slope or intercept is a fraction, float32 that holds all of them.

    What is read is what is seen: a palette becomes its colours, YCbCr becomes RGB, and
    MONOCHROME1, which grows with darkness, is inverted within the range of its stored
    bits (of 12 bits, 0 becomes 4095), before slope and intercept. Padding keeps its
    value; in MONOCHROME1 it is the darkest. The pixel size is that of PixelSpacing, in
    the patient; sizes at a radiograph's detector are not taken for it.

    Args:
        path: A file, or a folder. Other files in it are passed over, and so are DICOM
            files that hold no image, such as reports.
        as_mask: Read a palette's indices instead of its colours.

    Raises:
        ScanError: If a file is missing, damaged, cut short, holds no image, or one of
            an unsupported kind; if a folder holds several series, or planes that are
            not equal in size, orientation and distance.
        MissingExtraError: If pydicom is not installed.
    """

    def __init__(self, path: Path, *, as_mask: bool = False) -> None:
        _require_pydicom()
        from segx.scans.dicom_pixels import PixelForm
        from segx.scans.dicom_series import read_series

        with reading(path):
            self._series = read_series(path)
            frames = self._series.frames
            self._form = PixelForm.of(frames, as_mask=as_mask)
        self._decoded: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._is_closed = False
        super().__init__(
            path,
            extent=frames[0].extent,
            channels=self._form.channels,
            dtype=self._form.dtype,
            planes=len(frames),
            spacing_mm=self._series.pixel_mm,
            space=self._series.space,
        )

    @property
    def headers(self) -> tuple["Dataset", ...]:
        """The header of each file, without pixels, in the order of its first plane."""
        frames = self._series.frames
        return tuple({frame.path: frame.header for frame in frames}.values())

    @property
    def frame_numbers(self) -> tuple[int, ...]:
        """For each plane, the number of its frame within its file, from 0."""
        return tuple(frame.number for frame in self._series.frames)

    def close(self) -> None:
        """Let go of the planes that were kept."""
        self._decoded.clear()
        self._is_closed = True

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        if self._is_closed:
            raise ScanError(f"{self.path} was closed. Open it again to read it.")
        if plane not in self._decoded:
            frame = self._series.frames[plane]
            with reading(frame.path):
                self._decoded[plane] = self._form.read(frame)
            kept = sum(values.nbytes for values in self._decoded.values())
            while kept > _CACHE_BYTES and len(self._decoded) > 1:
                kept -= self._decoded.popitem(last=False)[1].nbytes
        self._decoded.move_to_end(plane)
        return np.ascontiguousarray(self._decoded[plane][region.slices])


def open_dicom(path: Path, *, as_mask: bool = False) -> Scan:
    """Open images or, as a mask, a segmentation of them.

    Raises:
        ScanError: If there is no image, or none that can be read.
        MissingExtraError: If pydicom is not installed.
    """
    if as_mask and path.is_file():
        _require_pydicom()
        from segx.scans.dicom_mask import SegmentationScan, is_segmentation

        if is_segmentation(path):
            return SegmentationScan(path)
    return DicomScan(path, as_mask=as_mask)


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM: by its suffix or, where that says nothing, its magic.

    Of a folder: whether a file in it is.
    """
    if path.is_dir():
        if path.suffix.lower() in _STORES:
            return False
        return any(is_dicom(entry) for entry in _visible(path) if entry.is_file())
    suffix = path.suffix.lower()
    if suffix in DICOM_SUFFIXES:
        return True
    # "IM-0001", or a UID such as "1.2.840.10008.7", which ends in a number.
    if (suffix and not suffix[1:].isdigit()) or not path.is_file():
        return False
    with reading(path), path.open("rb") as file:
        return file.read(_PREAMBLE_BYTES + 4)[_PREAMBLE_BYTES:] == _MAGIC


def dicom_scans(folder: Path) -> list[Path]:
    """The scans that the DICOM files of a folder make, or of the folders in it.

    Slices of one series are one scan: their folder. Where each file is a series of its
    own, as with radiographs, each is a scan.

    Returns:
        Folders and files, sorted by name; none where there is no DICOM. A folder whose
        files make no scan, or one that is damaged, and each one without pydicom: so
        that reading it says why, and other scans go on.

    Raises:
        ScanError: If a folder can't be opened.
    """
    if is_dicom(folder):
        if find_spec("pydicom") is None:
            return [folder]
        from segx.scans.dicom_series import scans_in

        try:
            return scans_in(folder)
        except ScanError:
            return [folder]
    found = []
    for entry in _visible(folder):
        is_store = entry.suffix.lower() in _STORES
        # A link to a folder may lead in a circle.
        if entry.is_dir() and not entry.is_symlink() and not is_store:
            found += dicom_scans(entry)
    return found


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder and is not hidden, sorted by name."""
    with reading(folder):
        return sorted(
            entry for entry in folder.iterdir() if not entry.name.startswith(".")
        )


def _require_pydicom() -> None:
    try:
        import pydicom  # noqa: F401 — only whether it is there
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Reading DICOM needs pydicom, which is not installed. "
            f"Install it: {install_extra('dicom')}"
        ) from error
