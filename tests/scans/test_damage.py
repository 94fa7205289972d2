import struct
from pathlib import Path

import pytest

from segx.errors import ScanError
from segx.scans.damage import reading, writing


@pytest.mark.parametrize(
    "error",
    [
        OSError("short"),
        ValueError("bad"),
        struct.error("size"),
        KeyError("tag"),
        MemoryError(),
        FileNotFoundError(),
        PermissionError(13, "Permission denied"),
    ],
)
def test_what_a_decoder_raises_names_the_file(error: Exception) -> None:
    with (
        pytest.raises(ScanError, match=r"scan\.png") as caught,
        reading(Path("scan.png")),
    ):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt, AssertionError, NameError])
def test_what_is_no_damage_passes(error: type[BaseException]) -> None:
    with pytest.raises(error), reading(Path("scan.png")):
        raise error


def test_what_the_disk_raises_names_the_file() -> None:
    full = OSError(28, "No space left on device")
    with (
        pytest.raises(ScanError, match=r"mask\.png .*No space left"),
        writing(Path("mask.png")),
    ):
        raise full
