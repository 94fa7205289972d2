"""A detector through segx fit and segx test: scores, resume, exchange of encoders."""

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from segx.artifact import load_model
from segx.cli.main import main
from segx.metrics import case_boxes
from tests.phantoms import write_cells, write_discs

pytest.importorskip("pycocotools", reason="boxes are scored with segx[detection]")

SMALL = [
    *("--data.batch_size", "2", "--data.steps_per_epoch", "2", "--data.workers", "0"),
    *("--data.crop", "64", "--training.warmup_steps", "0", "--quiet"),
    *("--trainer.accelerator", "cpu", "--trainer.precision", "32"),
    *("--model.encoder.name", "xception_narrow"),
]
NARROW = ["--model.detector.channels", "32"]


def fit(config: str, data: Path, run: Path, *more: str, steps: int = 2) -> int:
    words = ["fit", "-c", config, "--data.root", str(data), "--name", run.name]
    length = ["--trainer.max_steps", str(steps)]
    return main([*words, "--runs", str(run.parent), *SMALL, *length, *more])


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("data") / "cells")


@pytest.fixture(scope="module")
def run(cells: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small finished run; tests only read it."""
    run = tmp_path_factory.mktemp("runs") / "boxes"
    assert fit("faster_rcnn", cells, run, *NARROW) == 0
    return run


def weights(run: Path) -> dict[str, Tensor]:
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    return {
        name: item
        for name, item in content["state_dict"].items()
        if name.startswith(("network.", "average."))
    }


def test_a_validation_logs_precision_by_class(run: Path) -> None:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = {"val/map", "val/map50", "val/map75", "val/map/object", "val/map50/object"}
    last = {name: row[name] for row in rows for name in names if row.get(name)}
    assert last.keys() == names
    assert all(0 <= float(value) <= 1 for value in last.values())
    parts = {"train/loss", "train/classifier", "train/rpn_box_reg"}
    assert parts <= rows[0].keys()


@pytest.mark.parametrize("config", ["faster_rcnn", "retinanet"])
def test_a_run_that_goes_on_learns_what_an_undisturbed_one_does(
    config: str, cells: Path, tmp_path: Path
) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    given = [*NARROW, "--training.schedule", "constant", "--training.ema_decay", "0.5"]
    assert fit(config, cells, whole, *given, steps=4) == 0
    assert fit(config, cells, halves, *given, steps=2) == 0
    given += ["--ckpt_path", "last"]
    assert fit(config, cells, halves, *given, steps=4) == 0
    one, other = weights(whole), weights(halves)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_segx_test_counts_every_image(
    run: Path, cells: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "AP50" in shown
    assert "cases.csv, summary.json, report.html" in " ".join(shown.split())
    assert (run / "test" / "report.html").is_file()
    with (run / "test" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    summary = json.loads((run / "test" / "summary.json").read_text())
    assert [row["case"] for row in rows] == [f"test{n}" for n in range(6)]
    for name in ("objects", "found", "missed", "false"):
        assert sum(int(row[name]) for row in rows) == summary["counts"][name]
    assert summary["n_cases"] == 6
    assert summary["task"] == "detection"
    assert summary["provenance"]["split"] == "test"
    assert "1e" not in summary["policy"]
    assert main(["test", str(run), "--split", "val"]) == 0
    assert (run / "val" / "summary.json").is_file()


def test_validation_cases_are_drawn_with_their_boxes(run: Path) -> None:
    pictures = sorted((run / "overlays").glob("*.png"))
    assert pictures
    with Image.open(pictures[-1]) as picture:
        assert picture.size == (180, 70)  # truth and what was found side by side


def test_flags_about_masks_are_refused_for_boxes(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(run), "--tolerance", "2"]) == 2
    assert "finds boxes" in capsys.readouterr().err


def test_a_detector_is_described_by_its_encoder(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["describe", str(run), "--size", "64"]) == 0
    assert "xception_narrow" in capsys.readouterr().out


def test_an_encoder_moves_from_masks_to_boxes_and_back(
    run: Path, cells: Path, tmp_path: Path
) -> None:
    """Without a step that changes them, its tensors are those it came with."""
    still = ["--training.optimizer.lr", "0", "--training.freeze_encoder", "all"]
    discs = write_discs(tmp_path / "discs")
    masks, boxes, back = (tmp_path / name for name in ("masks", "boxes", "back"))
    assert fit("unet", discs, masks) == 0
    from_masks = ["--model.init_from", str(masks), *still]
    assert fit("retinanet", cells, boxes, *NARROW, *from_masks) == 0
    assert fit("unet", discs, back, "--model.init_from", str(boxes), *still) == 0
    first, *others = (
        load_model(item).network.encoder.state_dict() for item in (masks, boxes, back)
    )
    for other in others:
        assert first.keys() == other.keys()
        assert [n for n in first if not torch.equal(first[n], other[n])] == []


def test_without_its_package_a_detector_is_refused_before_any_work(
    run: Path,
    cells: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def find_spec(name: str, *more: Any) -> Any:
        return None if name == "pycocotools" else importlib.util.find_spec(name, *more)

    monkeypatch.setattr(case_boxes, "find_spec", find_spec)
    assert fit("faster_rcnn", cells, tmp_path / "a") == 1
    assert "[detection]" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    assert main(["test", str(run)]) == 1
    assert "[detection]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model.loss.box_wight", "2"], "box_wight: no such key. Did you mean box_w"),
        (["--model.loss", "DiceCE"], "model.loss: unknown name 'DiceCE'"),
        (["--model.detector", "FasterRCN"], "Did you mean FasterRCNN"),
        (["--data.boxes", "boxes.json"], "There is no file boxes.json"),
        (["--data.augment.extra", "[Rotate]"], "Rotate moves pixels"),
    ],
)
def test_what_can_not_work_is_refused(
    words: list[str],
    told: str,
    cells: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fit("faster_rcnn", cells, tmp_path / "a", *words) in {1, 2}
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "a").exists()


def test_a_set_of_images_without_any_object_is_trained_on(tmp_path: Path) -> None:
    root = tmp_path / "empty"
    for split in ("train", "test"):
        (root / split / "images").mkdir(parents=True)
    lines = ["image,left,top,right,bottom,class"]
    cells = write_cells(tmp_path / "cells", count=4)
    for path in sorted(cells.glob("*/images/*.png")):
        path.rename(root / path.relative_to(cells))
        full = "1,1,9,9,cell" if path.stem == "train0" else ",,,,"
        lines.append(f"{path.relative_to(cells)},{full}")
    (root / "boxes.csv").write_text("\n".join(lines) + "\n")
    words = ["--data.boxes", "boxes.csv", "--data.foreground_share", "0"]
    assert fit("retinanet", root, tmp_path / "a", *NARROW, *words) == 0
    learnt = weights(tmp_path / "a").values()
    assert all(item.isfinite().all() for item in learnt)
