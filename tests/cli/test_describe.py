"""The command shows an encoder on 100 columns, and exits 1 where a claim fails."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from segx.cli import describe
from segx.cli.anatomy_tables import block_table, layer_table
from segx.cli.main import main
from segx.models.anatomy import dissect, folded
from segx.models.encoder import ENCODERS, XceptionEncoder
from tests.inference.exports import saved_model, spec
from tests.models.anatomy.mutants import MUTANTS, mutant


def printed(thing: object, *, width: int = 100) -> list[str]:
    """Lines on a terminal of so many columns."""
    console = Console(width=width, file=io.StringIO())
    console.print(thing)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def check_tables(name: str, size: int) -> None:
    """One line a row, and none is cut."""
    anatomy = dissect(XceptionEncoder(name, 12), size)
    runs = [len(folded(blocks)) for blocks in anatomy.flows.values()]
    _title, _head, _rule, *rows, total = filled(block_table(anatomy))
    assert len(rows) == len(runs) + sum(runs)
    assert total.split()[:2] == ["total", str(len(anatomy.layers))]
    _head, _rule, *rows = filled(layer_table(anatomy))
    assert [row.split()[0] for row in rows] == [item.name for item in anatomy.layers]


def filled(table: Table) -> list[str]:
    lines = printed(table)
    assert max(map(len, lines)) <= 100
    assert not any("…" in line for line in lines)
    return [line for line in lines if line.strip()]


def test_tables_fit_100_columns() -> None:
    check_tables("legacy_xception", 2048)
    check_tables("xception_narrow", 31)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENCODERS)
def test_tables_of_every_encoder_fit_100_columns(name: str) -> None:
    check_tables(name, 2048)


def test_repeated_blocks_stand_in_one_row_with_their_sum() -> None:
    anatomy = dissect(XceptionEncoder("legacy_xception", 3))
    (row,) = [line for line in printed(block_table(anatomy)) if "×8" in line]
    assert row.split()[:2] == ["5–12", "×8"]
    assert f"{8 * anatomy.flows['middle'][0].macs / 1e9:.2f}" in row.split()


def test_a_narrow_terminal_loses_no_digit() -> None:
    table = block_table(dissect(XceptionEncoder("xception_narrow", 3)))
    assert not any("…" in line for line in printed(table, width=60))


def test_a_sound_encoder_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "xception_narrow", "--check", "--layers"]) == 0
    shown = capsys.readouterr().out
    assert "All 8 claims hold." in shown
    assert "stem.0.conv" in shown


def test_a_wrong_encoder_exits_1_and_names_the_claim(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = mutant(XceptionEncoder("legacy_xception", 3), MUTANTS["block missing"][0])
    monkeypatch.setattr(describe, "_encoder", lambda _: wrong)
    assert main(["describe", "legacy_xception", "--size", "64", "--check"]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "✗ 14 modules 13 section 3 expected: 14" in shown
    assert re.search(r"✓ [^✓✗]* 19×19×728 figure 5", shown), (
        "the paper speaks of 299 px"
    )
    assert f"{shown.count('✗')} of 18 claims fail." in shown


def test_a_trained_model_is_described_by_its_encoder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved_model(tmp_path / "model", spec())
    page = tmp_path / "page.html"
    run = str(tmp_path / "model")
    assert main(["describe", run, "--check", "--html", str(page)]) == 0
    assert "3→32→64" in capsys.readouterr().out
    assert "xception_narrow" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["legacy_xcepton"], "Did you mean legacy_xception?"),
        ([".", "--in-channels", "1"], "leave them out, or give an encoder's name"),
    ],
)
def test_wrong_use_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["describe", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_impossible_encoder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "legacy_xception", "--output-stride", "16"]) == 1
    assert "only 32" in capsys.readouterr().err
    assert main(["describe", "xception41", "--in-channels", "0"]) == 1
    assert "0 channels given" in capsys.readouterr().err
