"""The demo runs from an empty folder to a predicted scan, and never removes more."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from segx.cli import check, fit, predict, test
from segx.cli.main import main
from segx.data import cells


@pytest.mark.slow
def test_a_short_demo_leaves_all_that_it_names(tmp_path: Path) -> None:
    assert main(["demo", str(tmp_path / "demo"), "--budget", "10s"]) == 0
    assert (tmp_path / "demo" / "masks" / "scan_overlay.png").is_file()
    assert (tmp_path / "demo" / "runs" / "cells" / "test" / "cases.csv").is_file()


def test_another_folder_is_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    assert main(["demo", str(tmp_path)]) == 1
    assert main(["demo", str(tmp_path), "--again"]) == 1
    assert "thesis.tex" in capsys.readouterr().err
    assert (tmp_path / "thesis.tex").is_file()


@pytest.mark.parametrize("failing", range(4))
def test_a_step_that_fails_is_the_last_and_tells_its_code(
    failing: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    called: list[int] = []

    def step(number: int) -> int:
        called.append(number)
        return 3 if number == failing else 0

    painted = SimpleNamespace(scan=tmp_path / "scan.png")
    monkeypatch.setattr(cells, "write_cells", lambda _: painted)
    for number, command in enumerate((check, fit, test, predict)):
        monkeypatch.setattr(command, "run", lambda _, number=number: step(number))
    assert main(["demo", str(tmp_path / "demo")]) == 3
    assert called == list(range(failing + 1))
    assert "Done" not in capsys.readouterr().out


def test_a_wrong_budget_is_said_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", str(tmp_path / "demo"), "--budget", "abc"]) == 2
    assert "'abc' is no time" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
