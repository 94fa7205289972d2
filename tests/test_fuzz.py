"""Seeded mutations of all that is read give a value or an error of ours, in time.

Of ten thousand, the fast tests read a few hundred.
"""

import os
import random
import sys
import time
from pathlib import Path

import pytest

from tests.fuzzing import Target, findings, mutated
from tests.targets import targets

_MAKERS = targets()
_ALL = 10_000
_FEW = 300

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform != "linux", reason="needs fork and limits"
)


def _fuzz(name: str, folder: Path, *, first: int, total: int) -> None:
    (folder / "made").mkdir()
    target = _MAKERS[name](folder / "made")
    each = -(-total // len(_MAKERS))
    found = findings(target, range(first, first + each), folder / "read")
    assert not found, "\n".join([f"{len(found)} findings", *found[:20]])


@pytest.mark.parametrize("name", _MAKERS)
def test_a_few_mutations(name: str, tmp_path: Path) -> None:
    _fuzz(name, tmp_path, first=0, total=_FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", _MAKERS)
def test_ten_thousand_mutations(name: str, tmp_path: Path) -> None:
    _fuzz(name, tmp_path, first=_FEW, total=_ALL)


def _reads(folder: Path) -> None:
    """A reader with all the faults that can be found."""
    kind = (folder / "a").read_bytes()[:1]
    if kind == b"t":
        while True:
            pass
    if kind == b"s":
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
    if kind == b"d":
        os._exit(9)
    if kind == b"m":
        bytearray(2**31)
    if kind == b"k":
        raise KeyError("k")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (b"d", "died"),
        (b"m", "MemoryError"),
        (b"k", "KeyError"),
        (b"s", "took 0."),
        (b"t", "no answer"),
        (b"-", None),
    ],
)
def test_each_fault_is_found_and_the_next_is_read(
    kind: bytes, fault: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzzing.SECONDS", 0.04)
    monkeypatch.setattr("tests.fuzzing.WAIT", 2.0 if kind == b"t" else 60.0)
    monkeypatch.setattr("tests.fuzzing.mutated", lambda content, dice: content)
    target = Target({"a": kind}, _reads, ("a",))
    found = findings(target, range(2), tmp_path)
    assert len(found) == (0 if fault is None else 2)
    assert all(fault in line for line in found if fault)


def test_mutations_are_seeded_and_differ() -> None:
    content = bytes(range(256)) * 4
    first = [mutated(content, random.Random(number)) for number in range(50)]
    assert first == [mutated(content, random.Random(number)) for number in range(50)]
    assert len(set(first)) > 40
