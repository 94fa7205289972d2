"""From a path to the reader or the writer that its suffix asks for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from segx.errors import ScanError
from segx.labels import Labels
from segx.scans.damage import reading
from segx.scans.indexed_png import IndexedPng
from segx.scans.label_tiff import LabelTiff
from segx.scans.label_zarr import LabelZarr
from segx.scans.raster import RasterScan
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink
from segx.scans.slide import SLIDE_SUFFIXES, SlideScan
from segx.scans.tiff import TiffScan
from segx.scans.zarr import ZarrScan

__all__ = [
    "IMAGE_SUFFIXES",
    "create_mask",
    "mask_files",
    "open_scan",
    "scan_files",
    "scan_suffix",
]


class _Reader(Protocol):
    def __call__(self, path: Path, *, as_mask: bool) -> Scan: ...


_READERS: dict[str, _Reader] = {
    ".png": RasterScan,
    ".jpg": RasterScan,
    ".jpeg": RasterScan,
    ".bmp": RasterScan,
    ".tif": TiffScan,
    ".tiff": TiffScan,
    ".ome.tif": TiffScan,
    ".ome.tiff": TiffScan,
    **dict.fromkeys(SLIDE_SUFFIXES, SlideScan),
    ".zarr": ZarrScan,
    ".ome.zarr": ZarrScan,
}
_WRITERS: dict[str, type[MaskSink]] = {
    ".png": IndexedPng,
    ".tif": LabelTiff,
    ".tiff": LabelTiff,
    ".ome.tif": LabelTiff,
    ".ome.tiff": LabelTiff,
    ".ome.zarr": LabelZarr,
    ".zarr": LabelZarr,
}
_FOLDERS = (".zarr", ".ome.zarr")

IMAGE_SUFFIXES = tuple(_READERS)
"""Suffixes of what can be read, in lower case; those of Zarr are folders'."""


def open_scan(path: Path, *, as_mask: bool = False) -> Scan:
    """Open an image; only its headers are read.

    Args:
        path: A file (a folder for Zarr) with one of `IMAGE_SUFFIXES`.
        as_mask: Read a palette's indices instead of its colours.

    Raises:
        ScanError: If the file is missing, damaged, or of a kind that can't be read.
    """
    return _READERS[_known_suffix(path, _READERS, verb="read")](path, as_mask=as_mask)


def create_mask(path: Path, *, like: Scan, labels: Labels) -> MaskSink:
    """Start to write the mask of a scan; the file appears when the sink is closed.

    Args:
        path: Where to, with suffix .png, .tif, .tiff, .ome.tif, .ome.tiff or .ome.zarr.
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
        paths: Image files, Zarr folders, and folders whose images are taken, sorted by
            name; what is hidden inside and other folders are passed over.

    Raises:
        ScanError: If a path does not exist, a file is no image by its suffix, or a
            folder holds none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        is_folder = path.is_dir() and scan_suffix(path) not in _FOLDERS
        found.update(dict.fromkeys(_images_in(path) if is_folder else [path]))
    for path in found:
        _known_suffix(path, _READERS, verb="read")
        if not path.exists():
            raise ScanError(f"There is no file {path}. Check the name.")
    return list(found)


def scan_suffix(path: Path) -> str:
    """The suffix by which a scan's format is known, in lower case: up to two parts.

    Examples:
        >>> scan_suffix(Path("case.7.OME.tif")), scan_suffix(Path("case.7.png"))
        ('.ome.tif', '.png')
    """
    double = "".join(path.suffixes[-2:]).lower()
    return double if double in (*_READERS, *_WRITERS) else path.suffix.lower()


def _images_in(folder: Path) -> list[Path]:
    """The images that lie in a folder, sorted by name."""
    with reading(folder):
        entries = sorted(folder.iterdir())
    images = [
        entry
        for entry in entries
        if scan_suffix(entry) in _READERS
        and not entry.name.startswith(".")
        and (entry.is_dir() if scan_suffix(entry) in _FOLDERS else entry.is_file())
    ]
    if not images:
        raise ScanError(
            f"{folder} holds {len(entries)} files and folders, but no image: none ends "
            f"in {', '.join(_READERS)}. Give the folder in which the images lie."
        )
    return images


def _known_suffix(path: Path, table: Iterable[str], *, verb: str) -> str:
    """The suffix in lower case, if the table has it."""
    suffix = scan_suffix(path)
    if suffix not in table:
        raise ScanError(
            f"{path} can't be {verb}: {suffix or 'no suffix'} is not one of "
            f"{', '.join(table)}. Convert the file, or correct its name."
        )
    return suffix
