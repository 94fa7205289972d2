"""Of several processes one works; nothing that it leaves is in the next one's way."""

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from segx.alone import alone
from segx.errors import SegxError


def _another(lock: Path) -> str:
    """What another process says that wants the lock."""
    code = (
        "import pathlib, segx.alone, segx.errors\n"
        "busy = segx.errors.SegxError('it is busy')\n"
        f"with segx.alone.alone(pathlib.Path({str(lock)!r}), refusal=busy):\n"
        "    print('alone')"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[-1]


def test_while_a_process_works_others_are_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()  # as a killed process leaves it
    with alone(lock, refusal=SegxError()):
        assert _another(lock) == "segx.errors.SegxError: it is busy"
    assert not lock.exists()
    assert _another(lock) == "alone"


def test_a_lock_that_was_removed_before_it_was_taken_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, take, removed = tmp_path / "lock", fcntl.lockf, []

    def late(file: Any, how: int) -> None:
        if not removed:
            lock.unlink()  # by the process that held it until now
            removed.append(lock)
        take(file, how)

    monkeypatch.setattr(fcntl, "lockf", late)
    with alone(lock, refusal=SegxError()):
        assert _another(lock) == "segx.errors.SegxError: it is busy"
