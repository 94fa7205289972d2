"""Files that appear whole or not at all, and the digests that prove it later."""

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segx.errors import ArtifactError, ConfigError

__all__ = [
    "check_folder",
    "check_writable",
    "digest_file",
    "flush",
    "replacing",
    "replacing_folder",
    "sha256",
    "sweep",
    "verify_digest",
    "write_digest",
    "write_text",
]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Of these the system does not say which file it was."""


def check_writable(path: Path) -> None:
    """Find out that a file can't be written before the work that is to fill it.

    Raises:
        ConfigError: If it is a folder, or stands where no file can be made.
    """
    if path.is_dir():
        raise _unwritable(path, os.strerror(errno.EISDIR))
    _try_folder(path.parent, path)


def check_folder(folder: Path) -> None:
    """Find out that no file can be written to a folder before the work for it.

    Raises:
        ConfigError: If it is a file, or can't be made or written to.
    """
    _try_folder(folder, folder)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file that takes `path`'s place when the block ends well.

    The temporary file stands in the same folder, so that the last rename can't cross
    a file system; it is flushed to the disk before the rename. When the block raises,
    it is removed, and an older `path` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes[-2:])  # both parts: writers look for .nii.gz
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem}-", suffix=suffix, dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        flush(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as error:
        _name(error, path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sweep(path: Path) -> None:
    """Remove what a process that was killed left of `path` in the making.

    Nobody else may be writing `path` meanwhile.
    """
    if path.parent.is_dir():
        random = r"[a-z0-9_]{8}"  # what tempfile puts in
        name = re.compile(rf"\.{re.escape(path.stem)}-{random}(\..*)?")
        for entry in path.parent.iterdir():
            if not name.fullmatch(entry.name):
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that takes `path`'s place when the block ends well.

    As `replacing` does for a file. A folder can't be renamed over one that holds files:
    the older one is moved aside first, and brought back if the new one can't follow.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=path.parent))
    temporary, older = aside / f"new{path.suffix}", aside / f"old{path.suffix}"
    try:
        temporary.mkdir()
        yield temporary
        for entry in (*temporary.rglob("*"), temporary):
            flush(entry)
        if path.exists():
            path.replace(older)
        try:
            temporary.replace(path)
        except OSError:
            if older.exists():
                older.replace(path)
            raise
        flush(path.parent)
    except OSError as error:
        _name(error, path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file in UTF-8, or leave what was there."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_digest(path: Path) -> None:
    """Write a file's SHA-256 beside it, as ``sha256sum --check`` reads it."""
    write_text(digest_file(path), f"{sha256(path)}  {path.name}\n")


def verify_digest(path: Path) -> None:
    """Compare a file with the SHA-256 beside it, where there is one.

    Raises:
        ArtifactError: If the file is not the one that was written.
    """
    digest = digest_file(path)
    if digest.is_file() and digest.read_text(encoding="utf-8").split()[:1] != [
        sha256(path)
    ]:
        raise ArtifactError(
            f"{path} is damaged: its SHA-256 is not the one in {digest.name}. Copy it "
            "again, or make it anew from the run."
        )


def digest_file(path: Path) -> Path:
    """Where the SHA-256 of a file stands."""
    return path.with_name(f"{path.name}.sha256")


def flush(path: Path) -> None:
    """Wait until a file's or a folder's data are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _try_folder(folder: Path, wanted: Path) -> None:
    """Write to the nearest folder that there is; nothing is left, nor a folder made."""
    around = (folder.absolute(), *folder.absolute().parents)
    nearest = next(place for place in around if place.exists())
    if not nearest.is_dir():
        raise _unwritable(wanted, f"{nearest} is a file")
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"segx")
    except OSError as error:
        raise _unwritable(wanted, error.strerror) from error


def _unwritable(path: Path, why: str | None) -> ConfigError:
    return ConfigError(f"{path} can't be written: {why}. Choose another place.")


def _name(error: OSError, path: Path) -> None:
    """Say in the error of a full disk what was to be written."""
    if error.errno in _FULL:
        error.filename = str(path)


def _umask() -> int:
    """The process's mask, which mkstemp does not heed."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
