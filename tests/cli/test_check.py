"""segx check as it is typed: exit codes, what is printed, what programs read."""

import json
import shutil
from pathlib import Path

import pytest

from segx.cli.main import main
from segx.data.defects import Code
from tests.data.clean import clean
from tests.data.defective import FAULTS
from tests.data.sets import disc, save, write_classes, write_pairs
from tests.phantoms import write_cells, write_manifest


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    from segx.cli import check

    for name in ("console", "messages"):
        monkeypatch.setattr(getattr(check, name), "_width", 400)


def defective(root: Path, *names: str) -> Path:
    built = clean(root, "folders")
    for fault in FAULTS:
        if fault.name in names:
            built.add(fault.name)
            fault.make(built, fault.name)
    return root


def test_a_clean_set_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(clean(tmp_path, "splits").root)]) == 0
    shown = capsys.readouterr()
    assert "No errors, no warnings." in shown.out
    assert "8 train, 4 val, 4 test" in shown.out
    assert "warning" not in shown.err


@pytest.mark.parametrize("option", ["--json", "--sheet"])
def test_a_place_that_can_not_be_written_is_said_before_the_data_are_read(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "a.html")
    assert main(["check", str(tmp_path / "nowhere"), option, place]) == 2
    assert f"{place} can't be written" in capsys.readouterr().err


def test_drawn_cases_are_said_to_be_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = clean(tmp_path, "splits")
    shutil.rmtree(tmp_path / "val")
    assert main(["check", str(built.root), "-q"]) == 0
    assert "1 val (drawn from train), 4 test" in capsys.readouterr().out


def test_what_is_rare_is_not_said_to_be_absent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path, rows=320, cols=320)
    for mask in (tmp_path / "masks").iterdir():
        ids = disc(320, 320)
        ids[0, :3] = 2
        save(mask, ids)
    main(["check", str(tmp_path), "-q"])
    shown = capsys.readouterr().out
    assert "<0.01 % train, <0.01 % val" in shown


def test_warnings_alone_are_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(defective(tmp_path, "one_value")), "-q"]) == 0
    assert "0 errors, 1 warning." in (shown := capsys.readouterr().out)
    assert "constant-image" in shown


def test_errors_are_1_and_each_kind_is_one_section(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = clean(tmp_path, "folders")
    for number in range(500):
        built.image(f"lone{number}").write_bytes(b"")
    assert main(["check", str(built.root), "-q"]) == 1
    shown = capsys.readouterr().out
    assert "missing-mask" in shown
    assert "… and 495 more; --json FILE lists all" in shown
    assert shown.count("\n") < 60
    assert "segx fit starts when the errors are repaired" in shown


def test_programs_read_all_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = defective(tmp_path / "set", "no_mask", "other_size", "one_value")
    assert main(["check", str(root), "-q", "--json", str(tmp_path / "out.json")]) == 1
    tree = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert (tree["errors"], tree["warnings"]) == (2, 1)
    assert [item["code"] for item in tree["findings"]] == [
        "missing-mask",
        "size-mismatch",
        "constant-image",
    ]
    for item in tree["findings"]:
        assert set(item) == {"code", "severity", "file", "found", "expected", "fix"}
        assert item["severity"] == Code(item["code"]).severity
        assert Path(item["file"]).exists()
    capsys.readouterr()
    assert main(["check", str(root), "-q", "--json", "-"]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out) == tree
    assert "size-mismatch" in shown.err


def test_a_config_says_how_the_data_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = clean(tmp_path / "set", "folders").root
    config = tmp_path / "my.yaml"
    config.write_text(f"data: {{root: '{root}', classes: [ground, cell]}}\nseed: 3\n")
    assert main(["check", "-c", str(config), "-q"]) == 0
    assert "class cell" in capsys.readouterr().out
    assert main(["check", str(root), "-q", "--data.classes", "[ground, rock]"]) == 0
    assert "class rock" in capsys.readouterr().out
    assert main(["check", str(root), "--data.clases", "[a, b]"]) == 2
    assert "Did you mean classes?" in capsys.readouterr().err


def test_volumes_are_cut_along_the_axis_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = clean(tmp_path, "volumes").root
    assert main(["check", str(root), "-q", "--axis", "2"]) == 0
    assert "48 planes of 6x40 px" in capsys.readouterr().out


def test_class_folders_are_told_by_themselves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_classes(tmp_path, {"cat": 12, "dog": 24})
    assert main(["check", str(root), "-q"]) == 0
    assert "class cat" in capsys.readouterr().out


def test_no_data_set_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path), "-q"]) == 1
    assert "holds no folders" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "nowhere"), "-q"]) == 1
    assert "is no folder" in capsys.readouterr().err


def test_masks_and_classes_are_both_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_manifest(tmp_path)
    words = ["check", str(root), "--manifest", "list.csv", "--task", "multitask", "-q"]
    assert main([*words, "--sheet", str(tmp_path / "sheet.html")]) == 0
    assert "No errors" in capsys.readouterr().out
    table = root / "list.csv"
    rows = [line.replace(",plain,val", ",,val") for line in table.read_text().split()]
    table.write_text("\n".join(rows).replace("test0,test0", "test0,test00"))
    assert main([*words, "--json", "-"]) == 1
    shown = capsys.readouterr().out
    assert "names 'test00', which is not there" in shown
    assert "has no val case with the class plain" in shown


def test_boxes_are_checked_as_a_detector_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_cells(tmp_path / "cells", count=4, splits=("train", "val"))
    words = ["check", str(root), "--task", "detection", "-q"]
    assert main(words) == 0
    assert "class object │ 100.00 % train" in capsys.readouterr().out
    (root / "boxes.csv").write_text("image,left,top,right,bottom\ntrain0,5,5,4,9\n")
    assert main([*words, "--data.boxes", "boxes.csv"]) == 1
    shown = capsys.readouterr().out
    assert "which has no area" in shown
    assert "is not listed in" in shown
    assert "8 errors" in shown  # the bad box, and the images that no line names
