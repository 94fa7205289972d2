"""The demo runs from an empty folder to a predicted scan, and never removes more."""

from pathlib import Path

import pytest

from segx.cli.main import main


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
