"""A run folder is never overwritten and keeps the config that made it."""

import subprocess
import sys
from pathlib import Path

import pytest

from segx.config import FitConfig
from segx.errors import ArtifactError, TrainingError
from segx.training.run import RunFolder


def test_an_existing_run_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create()
    run.write_config(FitConfig())
    run.create()  # nothing was learnt yet
    run.last.touch()
    with pytest.raises(TrainingError, match=r"exists already.*--ckpt_path last"):
        run.create()


def test_a_run_killed_in_its_first_checkpoint_is_started_afresh(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create()
    run.write_config(FitConfig())
    (run.checkpoints / ".best-0a1b2c3d.ckpt").touch()
    run.create()


def test_a_run_with_its_best_weights_alone_is_not_overwritten(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create()
    run.write_config(FitConfig())
    run.best.touch()
    with pytest.raises(TrainingError, match=r"no last\.ckpt to go on from") as caught:
        run.create()
    assert "--ckpt_path" not in str(caught.value)


@pytest.mark.parametrize("holds", ["fold0", "weights.safetensors", "notes.txt"])
def test_a_folder_that_holds_more_than_a_run_is_not_overwritten(
    holds: str, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "a")
    run.create()
    run.write_config(FitConfig())
    (run.path / holds).touch()
    with pytest.raises(TrainingError, match="exists already"):
        run.create()


def test_one_process_at_a_time_trains_in_a_folder(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    code = [
        "import pathlib",
        "from segx.training.run import RunFolder",
        f"with RunFolder(pathlib.Path({str(run.path)!r})).alone():",
        "    pass",
    ]
    command = [sys.executable, "-c", "\n".join(code)]
    with run.alone():
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Another process is training" in other.stderr
    assert subprocess.run(command, check=False).returncode == 0
    (run.path / ".lock").touch()  # what a killed process left is in nobody's way
    with run.alone():
        run.create()
    assert [item.name for item in run.path.iterdir()] == ["checkpoints"]


def test_a_run_that_starts_afresh_keeps_no_report_of_other_weights(
    tmp_path: Path,
) -> None:
    run = RunFolder(tmp_path / "a")
    run.create()
    run.write_config(FitConfig())
    run.transfer.touch()
    run.create()
    assert not run.transfer.exists()


def test_the_older_state_is_enough_to_go_on(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create()
    assert not run.goes_on
    run.previous.touch()
    assert run.goes_on


def test_the_config_comes_back(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    config = FitConfig(seed=7, trainer={"max_steps": 3})
    run.create()
    run.write_config(config)
    assert run.read_config() == config


def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("not a folder")
    with pytest.raises(TrainingError, match="can't be written"):
        RunFolder(tmp_path / "runs" / "a").create()


def test_a_folder_that_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no run folder"):
        RunFolder(tmp_path).read_config()
