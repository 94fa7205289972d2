import hashlib
from pathlib import Path

import pytest

from segx.data.case import Case
from segx.data.digests import identical_cases, image_digests


def test_digests_are_of_the_bytes_and_not_of_the_names(tmp_path: Path) -> None:
    for name, content in (("a", b"x"), ("b", b"y"), ("c", b"x"), ("d", b"longer")):
        (tmp_path / f"{name}.png").write_bytes(content)
    digests = image_digests(Case(name, tmp_path / f"{name}.png") for name in "abcd")
    assert digests["b"] == hashlib.sha256(b"y").hexdigest()
    assert identical_cases(digests) == [("a", "c")]


def test_images_of_several_files_are_alike_if_all_files_are(tmp_path: Path) -> None:
    for name, content in (("1", b"x"), ("2", b"y"), ("3", b"x"), ("4", b"y")):
        (tmp_path / name).write_bytes(content)
    one, other, turned = (
        Case(name, tmp_path / first, channels=(tmp_path / second,))
        for name, first, second in (("a", "1", "2"), ("b", "3", "4"), ("c", "2", "1"))
    )
    assert identical_cases(image_digests([one, other, turned])) == [("a", "b")]


def test_the_voxels_beside_a_header_count(tmp_path: Path) -> None:
    volumes = pytest.importorskip("tests.scans.volumes")
    cases = []
    for name, seed in (("a", 0), ("b", 1), ("c", 0)):
        voxels = volumes.noise(3, 4, 5, seed=seed)
        folder = tmp_path / name
        folder.mkdir()
        cases.append(Case(name, volumes.Volume(voxels).write(folder / "01.mhd")))
    assert identical_cases(image_digests(cases)) == [("a", "c")]


def test_files_that_can_not_be_read_are_like_no_other(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "other.png").mkdir()
    names = ("folder", "other", "missing")
    assert image_digests(Case(name, tmp_path / f"{name}.png") for name in names) == {}
