"""What stands in two splits stops the training before its first step."""

import shutil
from pathlib import Path

import pytest

from segx.cli.main import main
from tests.phantoms import write_discs


def refusal(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> str:
    """What `segx fit` says; it must have made no run."""
    words = ["fit", "-c", "smoke", "--data.root", str(data), "--name", "a", *more]
    assert main([*words, "--runs", str(tmp_path / "runs"), "--quiet"]) == 1
    assert not (tmp_path / "runs").exists()
    return " ".join(capsys.readouterr().err.split())


def test_an_image_in_training_and_test_under_another_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_discs(tmp_path / "data")
    for kind in ("images", "masks"):
        copy = data / "test" / kind / "new.png"
        shutil.copyfile(data / "train" / kind / "train3.png", copy)
    assert "new is in test, train3 is in train" in refusal(data, tmp_path, capsys)


def test_a_patient_in_training_and_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_discs(tmp_path / "data")
    pattern = ["--data.patient_pattern", r"n?t?(\d)\.png"]
    message = refusal(data, tmp_path, capsys, *pattern)
    assert "test0 is in test, train0 is in train" in message
    assert "6 defects" in message


def test_a_pattern_that_does_not_match_every_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_discs(tmp_path / "data")
    pattern = ["--data.patient_pattern", r"train(\d)"]
    message = refusal(data, tmp_path, capsys, *pattern)
    assert "finds no patient in 6 of 12 file names" in message
