"""Whatever happens while a checkpoint is written, one is whole and loads."""

import logging
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from segx.errors import TrainingError
from segx.training.checkpointing import AtomicCheckpoints, last_valid
from segx.training.run import RunFolder
from tests.phantoms import write_discs
from tests.training import runs

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def content(step: int) -> dict[str, Any]:
    return {"step": step, "weights": torch.full((100,), float(step))}


def kept(folder: Path, *, steps: int) -> RunFolder:
    """A run in which so many checkpoints were kept."""
    run = RunFolder(folder / "a")
    for step in range(1, steps + 1):
        AtomicCheckpoints(run).save_checkpoint(content(step), run.last)
    return run


def in_child(work: Callable[[], None]) -> int:
    """The exit code of a forked child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_before(step: int) -> None:
    """Let this process die before so many system calls that change a folder."""
    left = step

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def dying(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(9)  # nothing is cleaned up, as after kill -9
            return call(*arguments, **options)

        return dying

    for name in ("fsync", "replace", "unlink", "open", "close"):
        setattr(os, name, counted(getattr(os, name)))


@needs_fork
@pytest.mark.parametrize("before", [0, 1, 3])
def test_between_any_two_steps_a_kill_leaves_one_that_loads(
    before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # slow; the machine stays on
    at, code = 0, 9
    while code == 9:
        at += 1
        run = kept(tmp_path / str(at), steps=before)

        def write(run: RunFolder = run, at: int = at) -> None:
            die_before(at)
            AtomicCheckpoints(run).save_checkpoint(content(before + 1), run.last)

        code = in_child(write)
        if before or run.last.is_file():  # else the first one is not there yet
            assert last_valid(run)[1]["step"] in {before, before + 1}, at
        # What was left over is in nobody's way.
        AtomicCheckpoints(run).save_checkpoint(content(before + 2), run.last)
        assert last_valid(run)[1]["step"] == before + 2
    assert code == 0
    assert at > 10


@needs_fork
def test_a_full_disk_leaves_the_old_ones_and_is_said(tmp_path: Path) -> None:
    run = kept(tmp_path, steps=2)
    before = {path.name: path.read_bytes() for path in run.checkpoints.iterdir()}
    said = tmp_path / "said"

    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        large = {"weights": torch.zeros(100_000)}
        try:
            AtomicCheckpoints(run).save_checkpoint(large, run.last)
        except TrainingError as error:
            said.write_text(str(error))

    assert in_child(write) == 0
    assert "can't be written (File too large)" in said.read_text()
    assert "--ckpt_path last" in said.read_text()
    after = {path.name: path.read_bytes() for path in run.checkpoints.iterdir()}
    assert after == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_one_is_passed_over_and_it_is_said_why(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = kept(tmp_path, steps=3)
    whole = run.last.read_bytes()
    flipped = bytes([whole[600] ^ 1])
    run.last.write_bytes(
        {
            "cut": whole[:-100],
            "flipped": whole[:600] + flipped + whole[601:],
            "empty": b"",
        }[damage]
    )
    with caplog.at_level(logging.WARNING, logger="segx"):
        path, found = last_valid(run)
    assert (path.name, found["step"]) == ("previous.ckpt", 2)
    assert "last.ckpt is damaged: its SHA-256" in caplog.text
    assert "goes on from previous.ckpt" in caplog.text


def test_a_damaged_one_does_not_take_the_place_of_a_whole_one(tmp_path: Path) -> None:
    run = kept(tmp_path, steps=3)
    run.last.write_bytes(b"no checkpoint")
    AtomicCheckpoints(run).save_checkpoint(content(4), run.last)
    run.last.unlink()
    assert last_valid(run)[1]["step"] == 2


def test_without_a_digest_a_whole_one_counts_and_a_broken_one_does_not(
    tmp_path: Path,
) -> None:
    run = kept(tmp_path, steps=3)
    run.last.with_name("last.ckpt.sha256").unlink()
    assert last_valid(run)[1]["step"] == 3
    run.last.write_bytes(run.last.read_bytes()[:300])
    assert last_valid(run)[1]["step"] == 2


def test_if_none_is_whole_both_faults_are_named(tmp_path: Path) -> None:
    run = kept(tmp_path, steps=2)
    for path in (run.last, run.previous):
        path.write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match=r"last\.ckpt is.*previous\.ckpt is"):
        last_valid(run)


def test_what_a_kill_left_half_written_goes_with_the_next_checkpoint(
    tmp_path: Path,
) -> None:
    run = kept(tmp_path, steps=1)
    half = run.last.with_name(".last-0a1b2c3d.ckpt")
    half.write_bytes(run.last.read_bytes()[:300])
    kept(tmp_path, steps=2)
    assert not half.exists()
    assert last_valid(run)[1]["step"] == 2


def test_nothing_to_resume_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nothing to resume"):
        last_valid(RunFolder(tmp_path / "none"))


def test_digests_can_be_checked_with_sha256sum(tmp_path: Path) -> None:
    run = kept(tmp_path, steps=2)
    for path in (run.last, run.previous):
        text = path.with_name(f"{path.name}.sha256").read_text()
        assert text.split()[1] == path.name


def test_a_validation_without_a_number_is_never_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segx.metrics.case_counts import CaseCounts, CaseMeans

    scores = iter([float("nan"), 0.5, float("nan"), 0.25])

    def means(_counts: CaseCounts) -> CaseMeans:
        score = torch.tensor(next(scores))
        return CaseMeans(score, score, {}, {})

    monkeypatch.setattr(CaseCounts, "compute", means)
    data = write_discs(tmp_path / "data", count=4)
    run = runs.train(data, tmp_path, "--trainer.max_epochs", "4")
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["epoch"] == 1
