"""A run is calibrated, and what was found travels with it and flags its masks."""

import json
from pathlib import Path

import pytest

from segx.artifact import read_spec, store_spec
from segx.cli.main import main
from segx.labels import Labels
from segx.masks.calibration import Calibration
from tests.cli.runs import random_run
from tests.phantoms import write_classes, write_discs

BINARY = Labels("binary", ("background", "1"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrated")
    data = write_discs(folder / "data", splits=("train", "val", "test"), count=3)
    run = random_run(folder, data, labels=BINARY)
    assert main(["calibrate", str(run)]) == 0
    return run


def test_what_was_found_is_stored_with_the_run(run: Path) -> None:
    calibration = read_spec(run).calibration
    assert calibration is not None
    assert calibration.temperature != 1
    assert len(calibration.dice) > 0
    before = (run / "checkpoints" / "best.ckpt").read_bytes()
    assert main(["calibrate", str(run)]) == 0
    assert read_spec(run).calibration == calibration, "the second time finds the same"
    assert (run / "checkpoints" / "best.ckpt").read_bytes() == before


def test_it_travels_to_other_forms(run: Path, tmp_path: Path) -> None:
    calibration = read_spec(run).calibration
    folder = str(tmp_path / "folder")
    words = ["export", str(run), "--format", "safetensors", "-o", folder]
    assert main(words) == 0
    assert read_spec(folder).calibration == calibration
    pytest.importorskip("onnx", reason="writes ONNX files: segx[onnx]")
    pytest.importorskip("onnxruntime", reason="runs ONNX files: segx[onnx]")
    from segx.inference.exported import ExportedModel

    path = tmp_path / "a.onnx"
    assert main(["export", str(run), "-o", str(path)]) == 0
    assert ExportedModel.read(path, device="cpu").spec.calibration == calibration


def test_predict_tells_what_deserves_a_look(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = read_spec(run)
    strict = Calibration(soft_dice=(0.5,), dice=(0.25,), flag_below=0.75)
    store_spec(run, described.model_copy(update={"calibration": strict}))
    images = run.parent / "data" / "test" / "images"
    words = ["predict", str(run), str(images), "-o", str(tmp_path), "--tile", "64"]
    assert main([*words, "--runtime", "torch", "--tta", "flips"]) == 0
    store_spec(run, described)
    confidence = json.loads((tmp_path / "test0.json").read_text())["confidence"]
    assert confidence["predicted_dice"] == 0.25
    assert confidence["flag"] == "look at this case"
    assert confidence["disagreement"] >= 0
    shown = capsys.readouterr().out
    assert shown.count("look at this case") == 3
    assert "0.25" in shown


def test_a_classifier_gets_a_temperature(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = random_run(tmp_path, write_classes(tmp_path / "data"), labels=None)
    assert main(["calibrate", str(run)]) == 0
    calibration = read_spec(run).calibration
    assert calibration is not None
    assert calibration.dice == ()
    shown = capsys.readouterr()
    assert "flagged" not in shown.out
    assert "validation cases: what is fitted on fewer than 30" in shown.err


def test_what_is_no_run_is_refused_whatever_a_run_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "exported").touch()
    assert main(["calibrate", str(tmp_path / "exported")]) == 2
    assert "export that again" in capsys.readouterr().err
    data = write_discs(tmp_path / "data", splits=("train", "val"), count=2)
    run = random_run(tmp_path, data, labels=BINARY)
    assert main(["calibrate", str(run.rename(tmp_path / "unet-0.5"))]) == 0
