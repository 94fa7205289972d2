"""A sample that fails, or a process that dies over one, names the path."""

import os
import pickle
import signal
from pathlib import Path

import pytest

from segx.cli.main import main
from segx.data.augment import Augment
from segx.data.case import Case
from segx.data.workers import CasesInHand
from segx.errors import DataError, ScanError
from tests.phantoms import write_discs

CASES = [Case("a", Path("images/a.png")), Case("b", Path("images/b.png"))]


def hold(notes: CasesInHand, index: int, error: Exception | None = None) -> None:
    with notes.holding(index):
        assert notes.paths() == [str(CASES[index].image)]
        if error is not None:
            raise error


def test_a_case_is_in_hand_until_the_block_ends() -> None:
    notes = CasesInHand(CASES)
    hold(notes, 1)
    assert notes.paths() == []


def test_a_librarys_error_names_the_file_and_ours_stays_as_it_is() -> None:
    notes = CasesInHand(CASES)
    with pytest.raises(DataError, match=r"images/b\.png \(ValueError: odd\)"):
        hold(notes, 1, ValueError("odd"))
    with pytest.raises(ScanError, match=r"^cut off$"):
        hold(notes, 0, ScanError("cut off"))
    assert notes.paths() == []


def test_notes_survive_the_way_to_a_spawned_process() -> None:
    hold(pickle.loads(pickle.dumps(CasesInHand(CASES))), 0)  # noqa: S301 - our own


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_process_leaves_its_note() -> None:
    notes = CasesInHand(CASES)
    child = os.fork()
    if child == 0:
        with notes.holding(1):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert notes.paths() == [str(CASES[1].image)]


def fit(data: Path, runs: Path, workers: int) -> int:
    words = ["fit", "-c", "smoke", "--data.root", str(data), "--runs", str(runs)]
    more = ["--data.workers", str(workers), "--data.cache_mib", "0"]
    return main([*words, "--quiet", "--trainer.accelerator", "cpu", *more])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_breaks_meanwhile_is_one_short_error(
    workers: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = write_discs(tmp_path / "data", count=3)

    def broken(*_: object, **__: object) -> None:
        raise ValueError("no such colour")

    monkeypatch.setattr(Augment, "__call__", broken)
    assert fit(data, tmp_path, workers) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "No example can be made of" in message
    assert "/train/images/train" in message
    assert "(ValueError: no such colour)" in message
    assert "Traceback" not in message


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_worker_that_is_killed_names_what_it_had_in_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_discs(tmp_path / "data", count=3)

    def deadly(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Augment, "__call__", deadly)
    assert fit(data, tmp_path, 1) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "A process that loads training examples died" in message
    assert "/train/images/train" in message
    assert "--data.workers 0" in message
