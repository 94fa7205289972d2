"""Cross-validation through the real command line, on a narrow encoder."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import segx
from segx.artifact import load_model
from segx.cli.main import main
from segx.config import CleaningConfig, FitConfig
from segx.data.splits_file import join_folds
from segx.training import crossval, out_of_fold
from segx.training.run import RunFolder
from tests.phantoms import write_classes, write_discs, write_manifest
from tests.training.runs import in_process

pytestmark = pytest.mark.slow  # two trainings, however small

SMALL = [
    *("--data.batch_size", "2", "--data.steps_per_epoch", "2", "--data.workers", "0"),
    *("--data.crop", "64", "--trainer.max_steps", "2", "--training.warmup_steps", "0"),
    *("--training.overlays", "0", "--trainer.accelerator", "cpu"),
    *("--inference.tile", "64", "--model.encoder.name", "xception_narrow"),
]


def words(data: Path, runs: Path, *more: str, config: str = "smoke") -> list[str]:
    where = ["-c", config, "--data.root", str(data), "--runs", str(runs)]
    return ["cv", *where, "--name", "a", "--folds", "2", "--quiet", *SMALL, *more]


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished cross-validation; tests only read it."""
    root = tmp_path_factory.mktemp("cv")
    assert main(words(write_discs(root / "data"), root / "runs")) == 0
    return root / "runs" / "a"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_case_is_measured_once_by_the_fold_that_held_it_out(crossed: Path) -> None:
    places = {row["case"]: row["split"] for row in rows(crossed / "splits.csv")}
    for fold in range(2):
        run = crossed / f"fold{fold}"
        stood = {row["case"]: row["split"] for row in rows(run / "splits.csv")}
        measured = {row["case"] for row in rows(run / "test" / "cases.csv")}
        held_out = {case for case, place in places.items() if place == f"fold{fold}"}
        assert measured == held_out
        assert {case for case, split in stood.items() if split == "test"} == held_out
        assert sorted(stood.values()).count("apart") == 6
    measured = [row["case"] for row in rows(crossed / "cases.csv")]
    assert sorted(measured) == [f"train{number}" for number in range(6)]


def assert_named_files(shown: str, out: Path) -> None:
    """Every file that a command says it wrote is there."""
    told = shown.partition("Written to")[2].partition(": ")[2].splitlines()[0]
    named = told.split(", ")
    assert named == ["cases.csv", "summary.json", "report.html"]
    assert all((out / name).is_file() for name in named)


def test_what_is_told_is_there(
    crossed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = crossed.parents[1] / "data"
    assert main(words(data, crossed.parent)) == 0  # finished: only told again
    shown = capsys.readouterr().out
    assert_named_files(shown, crossed)
    assert "6 test cases are in no fold: segx test" in " ".join(shown.split())


def test_the_headline_follows_from_the_table(crossed: Path) -> None:
    summary = json.loads((crossed / "summary.json").read_text())
    cases = pd.read_csv(crossed / "cases.csv")
    dice = 2 * cases.tp / (2 * cases.tp + cases.fp + cases.fn)
    mean = dice.groupby(cases["class"]).mean().mean()
    assert summary["foreground"]["dice"]["value"] == pytest.approx(mean)
    assert summary["n_cases"] == 6


def test_the_decision_on_cleaning_is_written_down(crossed: Path) -> None:
    found = json.loads((crossed / "cleaning.json").read_text())
    assert found["adopted"] is None  # six patients are too few to be sure
    assert found["n_patients"] == 6
    assert {item["trial"] for item in found["trials"]} >= {"holes", "largest", "min64"}


def test_the_folds_predict_together(crossed: Path, tmp_path: Path) -> None:
    image = crossed.parents[1] / "data" / "test" / "images" / "test0.png"
    assert main(["predict", str(crossed), str(image), "-o", str(tmp_path)]) == 0
    both = segx.load(crossed / "fold0", crossed / "fold1")
    assert [member.source.parts[-3] for member in both.members.members] == [
        "fold0",
        "fold1",
    ]
    with Image.open(tmp_path / "test0.png") as mask:
        assert np.array_equal(np.asarray(mask), both.predict(image))


def test_cases_set_apart_are_measured_by_all_folds(
    crossed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(crossed, tmp_path / "a")
    assert main(["test", str(copy)]) == 0
    assert_named_files(capsys.readouterr().out, copy / "test")
    told = json.loads((copy / "test" / "summary.json").read_text())["provenance"]
    assert told["notes"] == ["2 folds, 6 test cases in none of them"]
    assert told["splits"] == []
    measured = [row["case"] for row in rows(copy / "test" / "cases.csv")]
    assert measured == [f"test{number}" for number in range(6)]
    assert main(["test", str(copy), "--split", "val"]) == 2
    assert "cases.csv" in capsys.readouterr().err


def test_finished_folds_are_left_and_interrupted_ones_go_on(
    crossed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(crossed, runs / "a")
    shutil.rmtree(runs / "a" / "fold1" / "test")
    resumed: list[tuple[str, bool]] = []
    fit = crossval.fit

    def watched(config: FitConfig, run: RunFolder, **options: Any) -> None:
        resumed.append((run.path.name, options.get("resume", False)))
        fit(config, run, **options)

    monkeypatch.setattr(crossval, "fit", watched)
    data = crossed.parents[1] / "data"
    assert main(words(data, runs)) == 0
    assert resumed == [("fold1", True)]
    (runs / "a" / "fold0" / "test" / "summary.json").unlink()
    shutil.rmtree(runs / "a" / "fold0" / "checkpoints")
    assert main(words(data, runs)) == 0
    assert resumed[1:] == [("fold0", False)]
    assert rows(runs / "a" / "cases.csv") == rows(crossed / "cases.csv")


def test_another_config_is_refused(
    crossed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = crossed.parents[1] / "data"
    assert main(words(data, crossed.parent, "--seed", "3")) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "started with another config: seed: 0 → 3" in message
    assert f"--name a --runs {crossed.parent}" in message
    assert main(words(data, crossed.parent, "--budget", "9s")) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "fold0 was trained with no --budget" in message
    assert main(words(data, crossed.parent, "--data.workers", "1")) == 0
    assert main(words(data, crossed.parent, "--trainer.devices", "2")) == 2
    assert "segx cv trains in one process" in capsys.readouterr().err


def test_one_process_at_a_time_goes_through_the_folds(crossed: Path) -> None:
    data = crossed.parents[1] / "data"
    with RunFolder(crossed).alone():
        other = in_process(words(data, crossed.parent))
    assert other.returncode == 1
    assert "Another process is training" in other.stderr


def test_a_data_set_that_changed_is_refused(
    crossed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(crossed.parents[1] / "data", tmp_path / "data")
    runs = tmp_path / "runs"
    assert main(words(data, runs, "--folds", "3")) == 0
    fold = runs / "a" / "fold0"
    name = next(r["case"] for r in rows(fold / "splits.csv") if r["split"] == "train")
    image = data / "train" / "images" / f"{name}.png"
    Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    capsys.readouterr()
    assert main(["test", str(fold)]) == 1
    assert f"case {name}, sha256 is" in " ".join(capsys.readouterr().err.split())
    goes_on = ["fit", "-c", str(fold / "config.yaml"), "--name", "fold0"]
    where = ["--runs", str(runs / "a"), "--ckpt_path", "last", "--quiet"]
    assert main([*goes_on, *where]) == 1
    assert f"case {name}, sha256 is" in " ".join(capsys.readouterr().err.split())


def test_an_adopted_cleaning_is_part_of_each_fold(
    crossed: Path, tmp_path: Path
) -> None:
    run = RunFolder(Path(shutil.copytree(crossed / "fold0", tmp_path / "fold0")))
    before = load_model(run.path)
    out_of_fold._set_cleaning(run, CleaningConfig(largest=True))
    assert run.read_config().inference.cleaning.largest
    after = load_model(run.path)
    assert after.spec.cleaning.largest
    state = after.network.state_dict()
    for name, item in before.network.state_dict().items():
        assert torch.equal(item, state[name])


def test_a_missing_fold_is_told(crossed: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(crossed, tmp_path / "a")
    shutil.rmtree(copy / "fold1")
    with pytest.raises(segx.SegxError, match="lacks 1 of 2 folds, the first is fold1"):
        segx.load(copy)


def test_one_model_is_not_taken_from_many(
    crossed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(crossed)]) != 0
    assert "Give one of them, such as" in " ".join(capsys.readouterr().err.split())


def test_joined_folds_are_those_of_the_runs(crossed: Path, tmp_path: Path) -> None:
    files = [crossed / f"fold{fold}" / "splits.csv" for fold in range(2)]
    join_folds(files, tmp_path / "splits.csv")
    assert rows(tmp_path / "splits.csv") == rows(crossed / "splits.csv")


def test_classification_is_cross_validated_too(tmp_path: Path) -> None:
    data = write_classes(tmp_path / "data")
    resize = ["--data.resize", "64"]
    assert main(words(data, tmp_path / "runs", *resize, config="classify")) == 0
    folder = tmp_path / "runs" / "a"
    assert len(rows(folder / "cases.csv")) == 16
    assert json.loads((folder / "summary.json").read_text())["n_cases"] == 16
    assert (folder / "report.html").is_file()
    assert not (folder / "cleaning.json").exists()


def test_masks_and_classes_are_cross_validated_together(tmp_path: Path) -> None:
    data = write_manifest(tmp_path / "data")
    more = ["--data.resize", "64", "--data.manifest", "list.csv"]
    assert main(words(data, tmp_path / "runs", *more, config="multitask")) == 0
    folder = tmp_path / "runs" / "a"
    # Of 16 cases for training and validation 4 lack the mask, and 4 others the label.
    assert len(rows(folder / "cases.csv")) == 12
    assert len(rows(folder / "classes" / "cases.csv")) == 12
    found = json.loads((folder / "classes" / "summary.json").read_text())
    assert (found["task"], found["n_cases"]) == ("classification", 12)
    assert main(["test", str(folder)]) == 0
    tested = json.loads((folder / "test" / "classes" / "summary.json").read_text())
    # Each case but these was learnt from by one of the folds.
    assert tested["thresholds_from"] is None
