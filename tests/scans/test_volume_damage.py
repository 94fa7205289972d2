import contextlib
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segx.errors import ScanError
from segx.scans.files import open_scan
from segx.scans.volume import VolumeScan
from tests.scans.volumes import SUFFIXES, Volume, noise, read_volume


def _refused(path: Path) -> None:
    with pytest.raises(ScanError) as caught, open_scan(path) as scan:
        read_volume(scan)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused_and_named(
    tmp_path: Path,
    suffix: str,
    share: float,
    compress: bool,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = Volume(noise(20, 15, 15)).write(tmp_path / f"v{suffix}", compress=compress)
    for part in tmp_path.iterdir():
        whole = part.read_bytes()
        kept = int(len(whole) * share)
        if part == path and suffix in (".nhdr", ".mhd") and share == 0.999:
            continue  # less than the last line's end is missing there
        part.write_bytes(whole[:kept])
        _refused(path)
        part.write_bytes(whole)
    assert capfd.readouterr() == ("", ""), "libraries print from C++"


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_wrong_checksum_is_refused(tmp_path: Path, suffix: str) -> None:
    path = Volume(noise(5, 6, 7)).write(tmp_path / f"v{suffix}", compress=True)
    data = bytearray(path.read_bytes())
    data[-2 if suffix == ".mha" else -6] ^= 255
    path.write_bytes(data)
    _refused(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "content",
    [b"", b"hello, I am a text\n" * 30, b"\x89PNG\r\n\x1a\n" + bytes(500)],
    ids=["empty", "text", "png"],
)
def test_foreign_files_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"v{suffix}"
    path.write_bytes(content)
    _refused(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        with pytest.raises(ScanError, match="There is no file"):
            open_scan(tmp_path / f"v{suffix}")


def test_gzip_streams_may_follow_one_another(tmp_path: Path) -> None:
    voxels = noise(5, 6, 7)
    whole = Volume(voxels).write(tmp_path / "v.nii").read_bytes()
    path = tmp_path / "v.nii.gz"
    parts = (whole[:400], whole[400:401], whole[401:])
    path.write_bytes(b"".join(zlib.compress(part, wbits=31) for part in parts))
    with open_scan(path) as scan:
        assert np.array_equal(read_volume(scan)[..., 0], voxels)


def test_a_bomb_is_refused_from_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        path = Volume(np.zeros((64, 64, 64), np.uint8)).write(
            tmp_path / f"v{suffix}", compress=True
        )
        with monkeypatch.context() as patch:
            patch.setattr("segx.scans.volume_header.MOST_BYTES", 2**17)
            with pytest.raises(ScanError, match="inflates to"):
                VolumeScan(path)
        VolumeScan(path).close()


def _edited(path: Path, *edits: tuple[int, Any]) -> Path:
    """The NIfTI file with numbers written over its header."""
    data = bytearray(path.read_bytes())
    for offset, numbers in edits:
        data[offset : offset + numbers.nbytes] = numbers.tobytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ([(42, np.int16([2000, 2000, 500]))], "announces 4000000000 bytes"),
        ([(42, np.int16([0]))], "its size is 0x"),
        ([(42, np.int16([-4]))], "its size is -4x"),
        ([(40, np.int16([9]))], "it has 9 axes"),
        ([(70, np.int16([32, 64]))], "type 32"),
        ([(80, np.float32([np.nan]))], "numbers nan 0.8"),
        ([(108, np.float32([np.nan]))], "voxels begin at byte nan"),
        ([(108, np.float32([1e30]))], "voxels begin at byte 1e"),
        ([(268, np.float32([np.nan]))], "does not say where"),
        ([(280, np.float32([np.inf]))], "does not say where"),
        ([(252, np.int16([0])), (280, np.float32([-1, 0.5]))], "at right angles"),
        ([(0, np.int32([540]))], "no NIfTI-1 file"),
        ([(344, np.frombuffer(b"ni1\0", np.uint8))], "no NIfTI-1 file"),
    ],
)
def test_a_nifti_header_that_lies_is_refused(
    tmp_path: Path, edits: list[tuple[int, Any]], message: str
) -> None:
    path = Volume(noise(2, 3, 4, dtype="u1").astype("i2")).write(tmp_path / "v.nii")
    with pytest.raises(ScanError, match=message):
        open_scan(_edited(path, *edits))


@pytest.mark.parametrize(
    ("suffix", "old", "new", "message"),
    [
        (".mha", "ElementSpacing = 0.", "ElementSpacing = nan", "where its"),
        (".mha", "ElementSpacing = 0.", "ElementSpacing = -1.", "spacing"),
        (".mha", "TransformMatrix = 1 0", "TransformMatrix = 1 0.5", "right angles"),
        (".mha", "Offset = -12.5", "Offset = nan", "where its voxels"),
        (".mha", "DimSize = 4 3 2", "DimSize = 4 3 200", "is cut short"),
        (".mha", "DimSize = 4 3 2", "DimSize = 4 3 x", "for whole numbers"),
        (".mha", "BinaryData = True", "BinaryData = False", "numbers as text"),
        (".mha", "NDims = 3\n", "", "says no NDims"),
        (".mhd", "= v.raw", "= ../v.raw", "outside of its folder"),
        (".mhd", "= v.raw", "= LIST", "which is not there"),
        (".nrrd", "(0.69999999999999996,0,0)", "(nan,0,0)", "has the numbers"),
        (".nrrd", "(0.69999999999999996,0,0)", "(0.7,0.5,0)", "right angles"),
        (".nrrd", "sizes: 4 3 2", "sizes: 4 3 200", "is cut short"),
        (".nrrd", "encoding: raw", "encoding: hex", "encoded as hex"),
        (".nrrd", "sizes: 4 3 2\n", "", "says no sizes"),
        (".nhdr", "data file: v.raw", "data file: /etc/passwd", "outside of its"),
    ],
)
def test_a_text_header_that_lies_is_refused(
    tmp_path: Path, suffix: str, old: str, new: str, message: str
) -> None:
    path = Volume(noise(2, 3, 4)).write(tmp_path / f"v{suffix}")
    data = path.read_bytes()
    assert old.encode() in data, data[:600]
    path.write_bytes(data.replace(old.encode(), new.encode(), 1))
    with pytest.raises(ScanError, match=message):
        open_scan(path)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_flipped_bytes_give_a_volume_or_an_error_of_ours(
    tmp_path: Path, seed: int, suffix: str
) -> None:
    dice = random.Random(seed)
    whole = Volume(noise(3, 4, 5)).write(tmp_path / f"v{suffix}").read_bytes()
    path = tmp_path / f"v{suffix}"
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 1, 4))):
            data[dice.randrange(min(len(data), 400))] = dice.randrange(256)
        path.write_bytes(data)
        with contextlib.suppress(ScanError), open_scan(path) as scan:
            assert read_volume(scan).shape[0] == scan.planes
