"""segx test measures in mm once it is told how large a pixel is."""

import json
from pathlib import Path

import pytest
from PIL import Image

from segx.cli.main import main
from segx.data.datamodule import SegxDataModule
from segx.evaluation.cases import CaseRow, read_cases
from segx.labels import Labels
from segx.training.run import RunFolder
from tests.cli.runs import random_run
from tests.phantoms import write_discs


def measured(run: Path, *words: str) -> list[CaseRow]:
    assert main(["test", str(run), "--tolerance", "1", *words]) == 0
    return read_cases(run / "test" / "cases.csv")


def test_distances_grow_with_the_pixels_and_what_contradicts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_discs(tmp_path / "data", count=2)
    run = random_run(tmp_path, data, labels=Labels("binary", ("background", "class_1")))
    folder = RunFolder(run)
    SegxDataModule.from_config(folder.read_config()).write_splits(folder.splits)
    in_px, in_mm = measured(run), measured(run, "--pixel-size", "2000")
    for one, other in zip(in_px, in_mm, strict=True):
        assert (one.distances.unit, other.distances.unit) == ("px", "mm")
        assert other.distances.hd95 == pytest.approx(2 * one.distances.hd95)
        assert other.size.value == pytest.approx(4 * one.size.value)
    summary = json.loads((run / "test" / "summary.json").read_text())
    assert "pixels of 2 x 2 mm, as given" in summary["provenance"]["notes"]
    for path in (data / "test" / "images").iterdir():
        with Image.open(path) as image:
            image.save(path.with_suffix(".tif"), resolution_unit="cm", resolution=10)
        path.unlink()
    words = ["test", str(run), "--data", str(data), "--pixel-size", "2000"]
    assert main(words) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "pixels are 1 x 1 mm, but 2 x 2 mm was given" in told
