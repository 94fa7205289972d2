"""A classifier learns one class an image or several, and says how sure it is."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import segx
from segx.artifact import read_spec
from segx.cli.main import main
from tests.phantoms import write_classes

SMALL = [
    *("--model.encoder.name", "xception_narrow", "--data.resize", "64"),
    *("--data.batch_size", "4", "--data.steps_per_epoch", "2", "--data.workers", "0"),
    *("--trainer.max_steps", "2", "--training.warmup_steps", "0"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on images that may be bright, odd, both or neither; tests only read it."""
    root = tmp_path_factory.mktemp("several")
    data = write_classes(root / "data")
    lines = ["image,bright,odd,split"]
    for name in ("bright", "dark"):
        for index in range(8):
            odd = "" if index == 5 else index % 2
            split = ("train", "train", "val", "test")[index // 2]
            row = (f"{name}/{name}{index}.png", int(name == "bright"), odd, split)
            lines.append(",".join(map(str, row)))
    (data / "list.csv").write_text("\n".join(lines) + "\n")
    words = ["fit", "-c", "classify", "--data.root", str(data), "-q", "--name", "a"]
    words += ["--data.manifest", "list.csv", "--data.columns.label", "[bright, odd]"]
    assert main([*words, "--runs", str(root), *SMALL]) == 0
    return root / "a"


def test_several_classes_are_learnt_and_validated(run: Path) -> None:
    assert read_spec(run).class_kind == "multilabel"
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val/auroc"]]
    for name in ("auroc", "average_precision", "balanced_accuracy", "accuracy"):
        assert 0 <= float(rows[-1][f"val/{name}"]) <= 1, name


def test_several_classes_are_measured_each_by_itself(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(run)]) == 0
    assert "where it is known" in " ".join(capsys.readouterr().out.split())
    summary = json.loads((run / "test" / "summary.json").read_text())
    assert summary["classes"].keys() == {"bright", "odd"}
    with (run / "test" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["t_bright"] for row in rows] == ["1", "1", "0", "0"]
    assert {row["t_odd"] for row in rows} == {"0", "1"}
    assert summary["thresholds_from"] == "val"


def test_no_threshold_is_chosen_on_the_val_of_other_splits(
    run: Path, tmp_path: Path
) -> None:
    # Elsewhere what the run has learnt from may stand in val.
    data, copy = shutil.copytree(run.parent / "data", tmp_path / "data"), tmp_path / "a"
    lines = (data / "list.csv").read_text()
    lines = lines.replace("train", "aside").replace("val", "train")
    (data / "list.csv").write_text(lines.replace("aside", "val"))
    shutil.copytree(run, copy)
    assert main(["test", str(copy), "--data", str(data)]) == 0
    summary = json.loads((copy / "test" / "summary.json").read_text())
    assert summary["thresholds_from"] is None


def test_several_classes_are_predicted_with_flips(run: Path, tmp_path: Path) -> None:
    images = run.parent / "data" / "bright"
    tables = []
    for views in ("none", "flips"):
        out = tmp_path / views
        words = ["predict", str(run), str(images), "-o", str(out), "--tta", views]
        assert main(words) == 0
        with (out / "probabilities.csv").open() as file:
            tables.append(list(csv.DictReader(file)))
    assert len(tables[0]) == len(tables[1]) == 8
    assert tables[0] != tables[1]
    for row in tables[0]:
        found = [name for name in ("bright", "odd") if float(row[name]) >= 0.5]
        assert row["class"] == ";".join(found)


def test_several_classes_are_calibrated_together(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    assert main(["calibrate", str(copy)]) == 0
    calibration = read_spec(copy).calibration
    assert calibration is not None
    assert calibration.temperature != 1
    image = run.parent / "data" / "bright" / "bright0.png"
    plain, tempered = (segx.load(path).classify(image) for path in (run, copy))
    odds = [np.log(found / (1 - found)) for found in (plain, tempered)]
    assert odds[1] * calibration.temperature == pytest.approx(odds[0], abs=1e-3)


def test_what_can_not_be_explained_is_said(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = run.parent / "data" / "bright" / "bright0.png"
    words = ["predict", "model.onnx", str(image), "-o", str(tmp_path), "--explain"]
    assert main(words) == 2
    assert "an .onnx has no gradients" in " ".join(capsys.readouterr().err.split())
