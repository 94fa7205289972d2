"""The door: exit codes, the nearest command, and no traceback for a known mistake."""

import errno
import os
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from segx.cli import main as door
from segx.cli.main import COMMANDS, main
from segx.config import DataConfig, FitConfig
from segx.errors import ScanError
from segx.training.run import RunFolder


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert f"segx {name}" in capsys.readouterr().out


def test_no_command_or_a_wrong_one_is_wrong_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    assert main(["predct"]) == 2
    assert "Did you mean predict?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ScanError("a.png is cut off."), 1),
        (PermissionError(13, "Permission denied", "a.json"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        @staticmethod
        def run(_: list[str]) -> int:
            raise error

    monkeypatch.setattr(door.importlib, "import_module", lambda _: Broken)
    assert main(["doctor"]) == code


@pytest.mark.parametrize(
    "words",
    [
        ["demo", "out"],
        ["demo", "run/config.yaml"],
        ["demo", "run/config.yaml/x"],
        ["test", "run"],
        ["evaluate", "missing", "missing", "-o", "out"],
        ["calibrate", "run"],
        ["describe", "legacy_xception", "--html", "out/a.html"],
        ["predict", "missing.ckpt", "run/a.png", "-o", "out"],
    ],
)
def test_a_place_that_can_not_be_written_is_said_before_the_work(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(**_: object) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.chdir(tmp_path)
    run = RunFolder(Path("run"))
    run.create()
    run.write_config(FitConfig(data=DataConfig(root=Path("missing"))))
    run.best.write_bytes(b"damaged")
    (run.path / "a.png").touch()
    if "run/" not in words[1]:
        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    assert main(words) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "can't be written" in told
    assert not (run.path / "test").exists()
