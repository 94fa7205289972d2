"""From a path to the reader or the writer that its suffix asks for."""

from collections.abc import Iterable
from pathlib import Path

from segx.errors import ScanError
from segx.labels import Labels
from segx.scans.damage import reading
from segx.scans.dicom import (
    DICOM_SUFFIXES,
    DicomScan,
    dicom_scans,
    is_dicom,
    open_dicom,
)
from segx.scans.dicom_seg import DicomSeg
from segx.scans.indexed_png import IndexedPng
from segx.scans.label_tiff import LabelTiff
from segx.scans.raster import RasterScan
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink
from segx.scans.tiff import TiffScan

__all__ = ["IMAGE_SUFFIXES", "create_mask", "mask_files", "open_scan", "scan_files"]

_READERS: dict[str, type[RasterScan] | type[TiffScan] | type[DicomScan]] = {
    ".png": RasterScan,
    ".jpg": RasterScan,
    ".jpeg": RasterScan,
    ".bmp": RasterScan,
    ".tif": TiffScan,
    ".tiff": TiffScan,
    **dict.fromkeys(DICOM_SUFFIXES, DicomScan),
}
_WRITERS: dict[str, type[IndexedPng] | type[LabelTiff] | type[DicomSeg]] = {
    ".png": IndexedPng,
    ".tif": LabelTiff,
    ".tiff": LabelTiff,
    ".dcm": DicomSeg,
}

IMAGE_SUFFIXES = tuple(_READERS)
"""Suffixes of the files that can be read, in lower case."""


def open_scan(path: Path, *, as_mask: bool = False) -> Scan:
    """Open an image; only its headers are read.

    Args:
        path: A file with one of `IMAGE_SUFFIXES`, a DICOM file without a suffix, or a
            folder that holds one DICOM series.
        as_mask: Read a palette's indices instead of its colours, and a DICOM
            segmentation as ids.

    Raises:
        ScanError: If the file is missing, damaged, or of a kind that can't be read.
    """
    if is_dicom(path) or (path.is_dir() and path.suffix.lower() not in _READERS):
        return open_dicom(path, as_mask=as_mask)
    return _READERS[_known_suffix(path, _READERS, verb="read")](path, as_mask=as_mask)


def create_mask(path: Path, *, like: Scan, labels: Labels) -> MaskSink:
    """Start to write the mask of a scan; the file appears when the sink is closed.

    Args:
        path: Where to, with suffix .png, .tif, .tiff or, for DICOM images, .dcm.
        like: The scan, whose size and pixel size the mask takes.
        labels: What the mask's values mean, and their colours.

    Raises:
        ScanError: If the suffix is unknown, or the folder can't be written.
    """
    sink = _WRITERS[_known_suffix(path, _WRITERS, verb="written")]
    return sink(path, like=like, labels=labels)


def mask_files(path: Path, labels: Labels) -> tuple[Path, ...]:
    """Names of the files that `create_mask` would make: one, or one a class.

    Raises:
        ScanError: If the suffix is unknown.
    """
    sink = _WRITERS[_known_suffix(path, _WRITERS, verb="written")]
    return sink.files(path, labels)


def scan_files(paths: Iterable[Path]) -> list[Path]:
    """List the images that files and folders name, each once, in a stable order.

    Args:
        paths: Image files, and folders whose images are taken, sorted by name. The
            slices of a DICOM series are one image, called by their folder, which may
            lie deeper; other folders inside and hidden files are passed over.

    Raises:
        ScanError: If a path does not exist, a file is no image by its suffix, or a
            folder holds none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_images_in(path) if path.is_dir() else [path]))
    for path in found:
        if not is_dicom(path):
            _known_suffix(path, _READERS, verb="read")
        if not path.exists():
            raise ScanError(f"There is no file {path}. Check the name.")
    return list(found)


def _images_in(folder: Path) -> list[Path]:
    """The images that lie in a folder, sorted by name."""
    with reading(folder):
        entries = sorted(folder.iterdir())
    images = [
        entry
        for entry in entries
        if entry.suffix.lower() in _READERS
        and not entry.name.startswith(".")
        and entry.is_file()
        and not is_dicom(entry)
    ]
    images += dicom_scans(folder)
    if not images:
        raise ScanError(
            f"{folder} holds {len(entries)} files and folders, but no image: none ends "
            f"in {', '.join(_READERS)}. Give the folder in which the images lie."
        )
    return images


def _known_suffix(path: Path, table: Iterable[str], *, verb: str) -> str:
    """The suffix in lower case, if the table has it."""
    suffix = path.suffix.lower()
    if suffix not in table:
        raise ScanError(
            f"{path} can't be {verb}: {suffix or 'no suffix'} is not one of "
            f"{', '.join(table)}. Convert the file, or correct its name."
        )
    return suffix
