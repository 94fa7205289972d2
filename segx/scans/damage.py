"""What codecs and disks raise, turned into errors that name the file."""

import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segx.errors import ScanError

__all__ = ["reading", "try_folder", "writing"]

# On damaged bytes Pillow, tifffile and imagecodecs let out whatever their parsers run
# into. The list is what fuzzing has brought up; bugs of ours (NameError,
# AssertionError) and the user's Ctrl-C are not in it.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what a decoder raises into a `ScanError` that names `path`."""
    try:
        yield
    except FileNotFoundError as error:
        raise ScanError(f"There is no file {path}. Check the name.") from error
    except (IsADirectoryError, PermissionError) as error:
        raise ScanError(f"{path} can't be opened: {error.strerror}.") from error
    except _DAMAGE as error:
        reason = (str(error) or type(error).__name__).rstrip(".")
        raise ScanError(
            f"{path} can't be read: {reason}. The file is damaged or cut short, or its "
            "encoding is not supported: copy it again, or save it in another format."
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk raises into a `ScanError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise ScanError(
            f"{path} can't be written: {error.strerror or error}. An older file of "
            "that name is untouched. Take a folder that is writable and has space."
        ) from error


def try_folder(folder: Path) -> None:
    """See that files can be written to a folder, before long work; none is left.

    A folder that is not there yet is not made: the nearest one above it is tried.

    Raises:
        ScanError: If nothing can be written there.
    """
    with writing(folder):
        nearest = next(at for at in (folder, *folder.parents) if at.exists())
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"segx")
