"""segx predict writes what a detector finds, and refuses what makes no sense for it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import segx
from segx.cli.main import main
from segx.config import Choice
from segx.errors import ConfigError, ModelError
from segx.labels import Labels
from tests.inference.exports import saved_model, spec
from tests.phantoms import disc

_LABELS = Labels("multiclass", ("background", "cell", "debris"))


def _detector(folder: Path, name: str = "RetinaNet") -> Path:
    """Random weights: nearly all boxes have one score, and ten a tile are told."""
    options = {"channels": 32, "score": 0.0, "detections": 10}
    change = {
        "task": "detection",
        "decoder": None,
        "detector": Choice(name=name, options=options),
        "labels": _LABELS,
    }
    saved_model(folder, spec().model_copy(update=change))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _detector(tmp_path_factory.mktemp("run"))


def _images(folder: Path) -> Path:
    folder.mkdir()
    for name, size in (("a", (70, 90)), ("pixel", (1, 1)), ("line", (1, 100))):
        Image.fromarray(disc(size, 0)[0]).save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize("name", ["RetinaNet", "FasterRCNN"])
def test_boxes_are_written_and_the_same_as_in_python(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _detector(tmp_path / "run", name)
    images, out = _images(tmp_path / "images"), tmp_path / "out"
    words = ["predict", str(run), str(images), "-o", str(out), "--polygons"]
    words += ["--score-threshold", "0", "--tile", "64", "--device", "cpu"]
    assert main(words) == 0
    assert "boxes of 3 of 3 scans are in" in capsys.readouterr().out
    kinds = (".json", ".coco.json", ".geojson", "_overlay.png")
    expected = {f"{stem}{kind}" for stem in ("a", "pixel", "line") for kind in kinds}
    written = {path.name for path in out.iterdir() if path.name != ".segx"}
    assert written == expected
    detector = segx.load_detector(run, device="cpu", tile=64, score_threshold=0)
    found = detector.detect(images / "a.png")
    assert len(found) > 0
    tree = json.loads((out / "a.coco.json").read_text())
    boxes = np.array([item["bbox"] for item in tree["annotations"]])
    boxes[:, 2:] += boxes[:, :2]
    assert np.abs(boxes - found.boxes).max() < 0.02
    names = {item["id"]: item["name"] for item in tree["categories"]}
    assert names == {1: "cell", 2: "debris"}
    summary = json.loads((out / "a.json").read_text())
    assert summary["boxes"] == len(found)
    assert summary["score_threshold"] == 0
    assert main(words) == 0
    assert "3 were there already" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--blend", "hann"], "--blend"),
        (["--probabilities"], "--probabilities"),
        (["--uncertainty"], "--uncertainty"),
        (["--region", "r.png"], "--region"),
        (["--explain"], "--explain"),
        (["--ensemble", "other"], "--ensemble"),
        (["--runtime", "openvino"], "--runtime openvino"),
        (["--precision", "int8"], "--precision int8"),
        (["--score-threshold", "1.5"], "score threshold of 1.5"),
    ],
)
def test_flags_that_make_no_sense_for_boxes_are_refused_by_name(
    run: Path,
    tmp_path: Path,
    flags: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    images, out = _images(tmp_path / "images"), tmp_path / "out"
    assert main(["predict", str(run), str(images), "-o", str(out), *flags]) == 2
    assert told in capsys.readouterr().err
    assert not list(out.iterdir())


def test_a_score_is_asked_of_detectors_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved_model(tmp_path / "run", spec())
    images = _images(tmp_path / "images")
    words = ["predict", str(tmp_path / "run"), str(images), "-o", str(tmp_path / "out")]
    assert main([*words, "--score-threshold", "0.5"]) == 2
    assert "--score-threshold" in capsys.readouterr().err


def test_a_model_is_loaded_as_what_it_is(run: Path, tmp_path: Path) -> None:
    saved_model(tmp_path / "masks", spec())
    with pytest.raises(ModelError, match=r"Load it by segx.load_detector"):
        segx.load(run)
    with pytest.raises(ModelError, match=r"Load it by segx.load\."):
        segx.load_detector(tmp_path / "masks")


def test_folds_of_detectors_are_not_averaged(tmp_path: Path) -> None:
    for fold in range(2):
        _detector(tmp_path / f"fold{fold}")
    with pytest.raises(ConfigError, match="holds 2 folds"):
        segx.load_detector(tmp_path)
