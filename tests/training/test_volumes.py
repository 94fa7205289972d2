"""Volumes from disk to metrics per volume and to masks, through the command line."""

import csv
from pathlib import Path

import numpy as np
import pytest

import segx
from segx.cli.main import main
from tests.phantoms import write_balls

SMALL = [
    *("--model.encoder.name", "xception_narrow", "--training.overlays", "1"),
    *("--data.batch_size", "2", "--data.steps_per_epoch", "2", "--data.workers", "0"),
    *("--trainer.max_steps", "2", "--training.warmup_steps", "0"),
    *("--trainer.accelerator", "cpu", "--inference.tile", "64", "--quiet"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_balls(tmp_path_factory.mktemp("balls"), count=3)


@pytest.fixture(
    scope="module",
    params=[
        [],
        ["--data.neighbours", "1"],
        ["--data.axis", "2", "--data.resize", "32", "--data.intensity", "scan_zscore"],
    ],
    ids=["2d", "2.5d", "another axis"],
)
def run(
    request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A small finished run; tests only read it."""
    runs = tmp_path_factory.mktemp("runs")
    words = ["fit", "-c", "unet", "--data.root", str(data), "--name", "a"]
    assert main([*words, "--runs", str(runs), *SMALL, *request.param]) == 0
    return runs / "a"


def stored(path: Path) -> np.ndarray:
    nibabel = pytest.importorskip("nibabel", reason="the independent reader")
    image = nibabel.load(path)
    array: np.ndarray = np.asarray(image.dataobj).transpose(2, 1, 0)
    return array


def test_a_run_predicts_mask_volumes_in_the_scans_place(
    run: Path, data: Path, tmp_path: Path
) -> None:
    nibabel = pytest.importorskip("nibabel", reason="the independent reader")
    scan = data / "test" / "images" / "test0.nii.gz"
    assert main(["predict", str(run), str(scan), "-o", str(tmp_path)]) == 0
    mask = nibabel.load(tmp_path / "test0.nii.gz")
    image = nibabel.load(scan)
    assert mask.shape == image.shape
    assert np.allclose(mask.affine, image.affine)
    assert len(list((run / "overlays").glob("*.png"))) == 1


def test_counts_are_those_of_whole_volumes(run: Path, data: Path) -> None:
    assert main(["test", str(run)]) == 0
    with (run / "test" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2
    model = segx.load(run)
    for row in rows:
        truth = stored(data / "test" / "masks" / f"{row['case']}.nii.gz")
        predicted = model.predict(data / "test" / "images" / f"{row['case']}.nii.gz")
        if model.spec.axis == 2:
            predicted = predicted.transpose(1, 2, 0)
        index = ("class_1", "class_2").index(row["class"]) + 1
        is_true, is_found = truth == index, predicted == index
        assert int(row["tp"]) == (is_true & is_found).sum()
        assert int(row["fp"]) == (~is_true & is_found).sum()
        assert int(row["fn"]) == (is_true & ~is_found).sum()
        assert int(row["tn"]) == (~is_true & ~is_found).sum()


def test_validation_gives_the_means_that_a_test_gives(run: Path) -> None:
    assert main(["test", str(run), "--split", "val"]) == 0
    with (run / "val" / "cases.csv").open() as file:
        dice = [float(row["dice"]) for row in csv.DictReader(file)]
    with (run / "metrics.csv").open() as file:
        logged = [row["val/dice"] for row in csv.DictReader(file) if row["val/dice"]]
    # bfloat16 in one of the two, float32 in the other.
    assert float(logged[-1]) == pytest.approx(np.nanmean(dice), abs=0.02)
