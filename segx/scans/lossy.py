"""Whether a file was compressed in a way that changes its values."""

from pathlib import Path

from tifffile import COMPRESSION, TiffFile, TiffFileError

__all__ = ["is_lossy"]

_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LOSSY = (COMPRESSION.OJPEG, COMPRESSION.JPEG, COMPRESSION.ALT_JPEG)


def is_lossy(path: Path) -> bool:
    """Whether a file is a JPEG, whatever its name says, or a TIFF that holds JPEGs.

    Files that can't be read, and folders, are not.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4)
    if not start.startswith(_TIFF):
        return start.startswith(_JPEG)
    try:
        with TiffFile(path) as tiff:
            return tiff.pages.first.compression in _LOSSY
    except (TiffFileError, IndexError):
        return False
