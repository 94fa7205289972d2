"""segx predict tells classes, explains what it can, and refuses what is about masks."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from segx.cli.main import main
from tests.inference.exports import saved_model, spec
from tests.phantoms import disc


def _image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(disc((40, 50), 0)[0]).save(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of a classifier, of random weights."""
    folder = tmp_path_factory.mktemp("run")
    for fold in range(2):
        saved_model(folder / f"fold{fold}", spec(None))
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["--no-overlay"],
        ["--polygons"],
        ["--probabilities"],
        ["--uncertainty"],
        ["--tile", "256"],
        ["--overlap", "0"],
        ["--blend", "hann"],
        ["--batch-size", "1"],
        ["--skip-blank"],
        ["--region", "missing.geojson"],
        ["--score-threshold", "0.5"],
    ],
)
def test_options_about_masks_are_refused_by_name(
    words: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, out = _image(tmp_path / "a.png"), tmp_path / "out"
    model = str(run / "fold0")
    assert main(["predict", model, str(image), "-o", str(out), *words]) == 2
    assert f"{words[0]}: {model} " in " ".join(capsys.readouterr().err.split())
    assert not list(out.iterdir())


def test_a_picture_that_fails_costs_no_row_and_no_other_picture(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [_image(tmp_path / name) for name in ("1/a.png", "2/a.png", "2/b.png")]
    out = tmp_path / "out"
    words = ["predict", str(run), *map(str, images), "-o", str(out), "--explain"]
    assert main(words) == 1
    with (out / "probabilities.csv").open() as file:
        assert [row["image"] for row in csv.DictReader(file)] == [*map(str, images)]
    pictures = sorted(path.name for path in out.glob("*_gradcam.png"))
    assert pictures == ["a_gradcam.png", "b_gradcam.png"]
    shown = capsys.readouterr()
    assert "3 of 3 images classified" in shown.out
    assert "1 picture of --explain failed" in shown.out
    told = " ".join(shown.err.split())
    assert f"{run}/fold0/weights.safetensors alone" in told
    assert "would both be explained" in told
