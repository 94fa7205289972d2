"""A file appears whole or not at all, and an old one is never lost."""

import errno
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from segx.atomic import (
    check_writable,
    replacing,
    replacing_folder,
    sha256,
    sweep,
    write_text,
)
from segx.errors import ConfigError


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def half_written() -> None:
        with replacing(target) as temporary:
            temporary.write_text("ha")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        half_written()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_is_refused_before_the_work_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "deep" / "deeper" / "a.txt")
    for bad in (tmp_path, tmp_path / "file" / "a.txt"):
        with pytest.raises(ConfigError, match=f"{bad} can't be written"):
            check_writable(bad)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("replace", [replacing, replacing_folder])
def test_a_full_disk_says_what_was_to_be_written(
    replace: Callable[[Path], AbstractContextManager[Path]], tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="No space") as caught, replace(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "a")


def test_a_written_file_has_its_name_and_nothing_else_remains(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    write_text(target, "new")
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o400


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "x" * 1000)
    assert sha256(target) == hashlib.sha256(b"x" * 1000).hexdigest()


@pytest.mark.parametrize("fails", [False, True])
def test_a_folder_is_the_old_one_or_the_new_one(tmp_path: Path, *, fails: bool) -> None:
    target = tmp_path / "a.zarr"
    (target / "deep").mkdir(parents=True)
    (target / "deep" / "old").touch()

    def written() -> None:
        with replacing_folder(target) as temporary:
            (temporary / "new").touch()
            if fails:
                raise OSError(28, "No space left on device")

    if fails:
        with pytest.raises(OSError, match="No space"):
            written()
    else:
        written()
    assert [path.name for path in target.iterdir()] == ["deep" if fails else "new"]
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.b.nii.gz"
    left = [".a.b.nii-k3x_9abz.nii.gz", ".a.b.nii-00000000"]
    kept = [".a.b.nii-short.gz", ".x-k3x_9abz.gz", "a.b.nii-k3x_9abz.gz", "a.b.nii.gz"]
    for name in (*left, *kept):
        (tmp_path / name).touch()
    sweep(path)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted(kept)
    sweep(tmp_path / "nowhere" / "a")
