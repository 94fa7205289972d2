"""From a path to the reader or the writer that its suffix asks for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

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
from segx.scans.label_zarr import LabelZarr
from segx.scans.polygons import Polygons
from segx.scans.raster import RasterScan
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink
from segx.scans.slide import SLIDE_SUFFIXES, SlideScan
from segx.scans.suffix import suffix_of
from segx.scans.tiff import TiffScan
from segx.scans.volume import VolumeScan
from segx.scans.volume_layout import read_layout
from segx.scans.volume_mask import VolumeMask
from segx.scans.zarr import ZarrScan

__all__ = [
    "IMAGE_SUFFIXES",
    "create_mask",
    "files_of",
    "is_volume",
    "mask_files",
    "open_scan",
    "scan_files",
]


class _Reader(Protocol):
    def __call__(self, path: Path, *, as_mask: bool) -> Scan: ...


_VOLUMES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_FOLDERS = (".zarr", ".ome.zarr")

_READERS: dict[str, _Reader] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".bmp"), RasterScan),
    **dict.fromkeys((".tif", ".tiff", ".ome.tif", ".ome.tiff"), TiffScan),
    **dict.fromkeys(SLIDE_SUFFIXES, SlideScan),
    **dict.fromkeys(_FOLDERS, ZarrScan),
    **dict.fromkeys(_VOLUMES, VolumeScan),
    **dict.fromkeys(DICOM_SUFFIXES, DicomScan),
}
_WRITERS: dict[str, type[MaskSink]] = {
    ".png": IndexedPng,
    **dict.fromkeys((".tif", ".tiff", ".ome.tif", ".ome.tiff"), LabelTiff),
    **dict.fromkeys(_FOLDERS, LabelZarr),
    **dict.fromkeys((".nii", ".nii.gz", ".nrrd", ".mha"), VolumeMask),
    ".dcm": DicomSeg,
    ".geojson": Polygons,
}

IMAGE_SUFFIXES = tuple(_READERS)
"""Suffixes of what can be read, in lower case; those of Zarr are folders'."""


def files_of(path: Path) -> list[Path]:
    """All files that a scan is made of, in a fixed order: what its digest covers.

    A folder's, the voxels beside a header, the folder beside a .mrxs.

    Raises:
        ScanError: If the header of a volume is damaged.
    """
    if path.is_dir():
        return sorted(item for item in path.rglob("*") if item.is_file())
    suffix = suffix_of(path)
    if suffix in {".mhd", ".nhdr"}:
        return list(dict.fromkeys([path, read_layout(path).data]))
    if suffix == ".mrxs":
        return [path, *files_of(path.with_suffix(""))]
    return [path]


def is_volume(path: Path) -> bool:
    """Whether a file is of a format that can be cut along any axis."""
    return suffix_of(path) in _VOLUMES


def open_scan(path: Path, *, as_mask: bool = False, axis: int = 0) -> Scan:
    """Open an image; only its headers are read.

    Args:
        path: A file (a folder for Zarr) with one of `IMAGE_SUFFIXES`, a DICOM file
            without a suffix, or a folder that holds one DICOM series.
        as_mask: Read a palette's indices instead of its colours, and a DICOM
            segmentation as ids.
        axis: Of a volume, the stored axis along which planes follow each other: 0 is
            the slowest.

    Raises:
        ScanError: If the file is missing, damaged, or of a kind that can't be read; or
            if another axis is asked of what is no volume.
    """
    if is_volume(path):
        return VolumeScan(path, as_mask=as_mask, axis=axis)
    if axis != 0:
        raise ScanError(
            f"{path} can't be cut along axis {axis}: only volumes can, which end in "
            f"{', '.join(_VOLUMES)}. Take axis 0."
        )
    is_series = path.is_dir() and suffix_of(path) not in _FOLDERS
    if is_series or is_dicom(path):
        return open_dicom(path, as_mask=as_mask)
    return _READERS[_known_suffix(path, _READERS, verb="read")](path, as_mask=as_mask)


def create_mask(path: Path, *, like: Scan, labels: Labels) -> MaskSink:
    """Start to write the mask of a scan; the file appears when the sink is closed.

    Args:
        path: Where to; the suffix says how: .png, .tif, .ome.tif, .ome.zarr, .nii,
            .nii.gz, .nrrd, .mha, .geojson or, for DICOM images, .dcm.
        like: The scan, whose size and geometry the mask takes.
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
        paths: Image files, Zarr folders, and folders whose images are taken, sorted by
            name. The slices of a DICOM series are one image, called by their folder,
            which may lie deeper; other folders inside and hidden files are passed over.

    Raises:
        ScanError: If a path does not exist, a file is no image by its suffix, or a
            folder holds none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        is_folder = path.is_dir() and suffix_of(path) not in _FOLDERS
        found.update(dict.fromkeys(_images_in(path) if is_folder else [path]))
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
        if suffix_of(entry) in _READERS
        and not entry.name.startswith(".")
        and (entry.is_dir() if suffix_of(entry) in _FOLDERS else entry.is_file())
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
    suffix = suffix_of(path)
    if suffix not in table:
        raise ScanError(
            f"{path} can't be {verb}: {suffix or 'no suffix'} is not one of "
            f"{', '.join(table)}. Convert the file, or correct its name."
        )
    return suffix
