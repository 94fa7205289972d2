"""Every stock config trains through the real command line, and then predicts."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import segx
from segx.cli.main import main
from segx.config import stock_configs
from segx.data.datamodule import SegxDataModule
from segx.data.dataset import Batch
from segx.evaluation.cases import read_cases
from segx.inference.loading import is_detector
from segx.metrics import count_overlap
from segx.training.learner import Learner
from segx.training.task import SegmentationTask
from tests.phantoms import write_cells, write_classes, write_discs, write_manifest

CONFIGS = [path.stem for path in stock_configs()]
SMALL = [
    *("--data.batch_size", "2", "--data.steps_per_epoch", "2", "--data.workers", "0"),
    *(
        "--trainer.max_steps",
        "2",
        "--training.warmup_steps",
        "0",
        "--training.overlays",
        "1",
    ),
    *("--trainer.accelerator", "cpu", "--inference.tile", "64"),
]
NARROW = ["--model.encoder.name", "xception_narrow"]
# Squeezed sixteenfold, a narrow map's attention is one ReLU, which may be dead.
NARROW_TOO = {"manet": ["--model.decoder.reduction", "2"]}


WHOLE = ["--data.resize", "64"]
# What a config is tried on, where that is not images with masks; no test downloads.
DATA: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "classify": (write_classes, WHOLE),
    "xception_keras": (write_classes, [*WHOLE, "--model.init_from", "null"]),
    "multitask": (write_manifest, [*WHOLE, "--data.manifest", "list.csv"]),
    "faster_rcnn": (write_cells, ["--data.crop", "64"]),
    "retinanet": (write_cells, ["--data.crop", "64"]),
}


class Witness:
    """Remembers the weights before training, and which of them got a gradient."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.before: dict[str, torch.Tensor] = {}
        self.after: dict[str, torch.Tensor] = {}
        self.with_gradient: set[str] = set()
        witness = self
        start = Learner.on_train_start

        def on_train_start(learner: Learner) -> None:
            start(learner)
            for name, item in learner.network.named_parameters():
                witness.before[name] = item.detach().clone()

        def on_after_backward(learner: Learner) -> None:
            for name, item in learner.network.named_parameters():
                if item.grad is not None and item.requires_grad:
                    witness.with_gradient.add(name)

        def on_train_end(learner: Learner) -> None:
            for name, item in learner.network.named_parameters():
                witness.after[name] = item.detach().clone()

        monkeypatch.setattr(Learner, "on_train_start", on_train_start)
        monkeypatch.setattr(Learner, "on_after_backward", on_after_backward)
        monkeypatch.setattr(Learner, "on_train_end", on_train_end)

    def unchanged(self) -> list[str]:
        """Parameters that are as they were."""
        return [
            n for n, item in self.before.items() if torch.equal(item, self.after[n])
        ]


def train(config: str, data: Path, runs: Path, *more: str) -> Path:
    words = ["fit", "-c", config, "--data.root", str(data), "--name", "a"]
    code = main([*words, "--runs", str(runs), "--quiet", *SMALL, *more])
    assert code == 0
    return runs / "a"


def losses(run: Path) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [
            float(row["train/loss"])
            for row in csv.DictReader(file)
            if row["train/loss"]
        ]


def check_training(config: str, tmp_path: Path, witness: Witness, *more: str) -> None:
    write, options = DATA.get(config, (write_discs, ["--data.crop", "64"]))
    run = train(config, write(tmp_path / "data"), tmp_path / "runs", *options, *more)
    assert len(losses(run)) == 2
    assert all(math.isfinite(value) for value in losses(run))
    assert witness.with_gradient == witness.before.keys()
    assert witness.unchanged() == []
    image = np.random.default_rng(0).integers(0, 255, (61, 83, 3), dtype=np.uint8)
    if is_detector(run):
        found = segx.load_detector(run, device="cpu", score_threshold=0).detect(image)
        assert (found.boxes[:, [0, 2]] <= 83).all()
        return
    model = segx.load(run, device="cpu")
    if model.spec.class_names:
        assert model.classify(image).sum() == pytest.approx(1)
    if model.spec.labels:
        assert model.predict(image).shape == (61, 83)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_trains_and_predicts_on_a_narrow_encoder(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = NARROW + NARROW_TOO.get(config, [])
    check_training(config, tmp_path, Witness(monkeypatch), *more)


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_trains_and_predicts_as_it_is(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_training(config, tmp_path, Witness(monkeypatch))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small finished run; tests only read it."""
    root = tmp_path_factory.mktemp("fit")
    return train("smoke", write_discs(root / "data"), root / "runs")


def test_a_run_folder_is_complete(run: Path) -> None:
    assert (run / "config.yaml").is_file()
    assert (run / "splits.csv").is_file()
    for name in ("best.ckpt", "last.ckpt"):
        assert (run / "checkpoints" / name).is_file()
        assert (run / "checkpoints" / f"{name}.sha256").is_file()
    with Image.open(next((run / "overlays").glob("*.png"))) as overlay:
        assert overlay.size == (180, 70)  # truth and prediction side by side
    with (run / "metrics.csv").open() as file:
        names = set(csv.DictReader(file).fieldnames or ())
    assert {"val/dice", "val/iou", "val/dice/class_1", "train/images_per_s"} <= names


def test_an_existing_run_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = run.parents[1] / "data"
    words = ["fit", "-c", "smoke", "--data.root", str(data), "--name", "a"]
    assert main([*words, "--runs", str(run.parent), *SMALL]) == 1
    assert "exists already" in capsys.readouterr().err


def test_a_test_writes_rows_and_a_summary(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["test", str(run)]) == 0
    assert "foreground" in capsys.readouterr().out
    with (run / "test" / "cases.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6
    for name in ("cases.csv", "summary.json", "report.html"):
        assert (run / "test" / name).is_file()


def test_test_time_flips_are_measured_beside_the_plain_test(run: Path) -> None:
    assert main(["test", str(run), "--tta", "flips"]) == 0
    found = {row.case: row.counts for row in read_cases(run / "test-flips/cases.csv")}
    predictor = segx.load(run, views="flips")
    for image in sorted((run.parents[1] / "data/test/images").iterdir()):
        with Image.open(image.parents[1] / "masks" / image.name) as mask:
            truth = np.asarray(mask)
        counts = count_overlap(truth, predictor.predict(image), predictor.labels)
        assert found[image.stem] == counts["class_1"]
    summary = json.loads((run / "test-flips/summary.json").read_text())
    assert "mean of 4 test-time views" in json.dumps(summary)


def test_the_command_and_the_api_predict_the_same(run: Path, tmp_path: Path) -> None:
    image = run.parents[1] / "data" / "test" / "images" / "test0.png"
    assert main(["predict", str(run), str(image), "-o", str(tmp_path)]) == 0
    with Image.open(tmp_path / "test0.png") as written:
        assert np.array_equal(np.asarray(written), segx.load(run).predict(image))


def test_one_bad_file_does_not_stop_the_others(run: Path, tmp_path: Path) -> None:
    good = run.parents[1] / "data" / "test" / "images" / "test0.png"
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:60])
    out = tmp_path / "out"
    assert main(["predict", str(run), str(bad), str(good), "-o", str(out)]) == 1
    names = (item.name for item in out.iterdir() if not item.name.startswith("."))
    assert sorted(names) == [
        "test0.json",
        "test0.png",
        "test0_overlay.png",
    ]


def test_a_finished_run_goes_on(run: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "a"
    shutil.copytree(run, copy)
    words = [
        "fit",
        "-c",
        str(copy / "config.yaml"),
        "--name",
        "a",
        "--runs",
        str(tmp_path),
    ]
    longer = ["--trainer.max_steps", "4", "--trainer.max_epochs", "2"]
    assert main([*words, "--ckpt_path", "last", "--quiet", *longer]) == 0
    last = torch.load(copy / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 4


def test_resuming_with_another_config_or_nothing_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "-c", str(run / "config.yaml"), "--ckpt_path", "last"]
    other = [*words, "--name", "a", "--runs", str(run.parent), "--data.crop", "32"]
    assert main(other) == 1
    assert "data.crop: [64, 64]" in capsys.readouterr().err
    assert main([*words, "--name", "none", "--runs", str(tmp_path)]) == 1
    assert "nothing to resume" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model.decoder", "Unett"], "Did you mean UNet"),
        (["--model.decodr", "FPN"], "model.decodr: no such key. Did you mean decoder?"),
        (["--model.decoder.dropuot", "0.1"], "Did you mean dropout?"),
        (["--model.loss", "DiceC"], "Did you mean"),
        (["--model.encoder.name", "legacy_xeption"], "Did you mean legacy_xception?"),
        (
            ["--trainer.max_epoch", "3"],
            "trainer.max_epoch: no such key. Did you mean max_epochs",
        ),
        (["--training.optimizer", "evil.Optimizer"], "not imported"),
        (["--training.optimizer", "torch.optim.LBFGS"], "per-parameter options"),
        (["--training.optimizer.lr", "-1"], "Invalid learning rate: -1"),
        (["--model.decoder", "DeepLabV3Plus"], "xception41"),
        (["--budget", "soon"], "is no time"),
    ],
)
def test_wrong_use_is_refused_before_any_data_are_read(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["fit", "-c", "unet", "--data.root", str(tmp_path), *words])
    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_interval_that_no_epoch_reaches_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = run.parents[1] / "data"
    words = ["fit", "-c", "smoke", "--data.root", str(data), "--name", "a", *SMALL]
    often = ["--runs", str(tmp_path), "--trainer.val_check_interval", "9"]
    assert main([*words, *often]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "an epoch has 2 batches" in told
    assert "--trainer.check_val_every_n_epoch null" in told


def test_a_training_without_a_step_does_not_say_that_it_trained(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = run.parents[1] / "data"
    words = ["fit", "-c", "smoke", "--data.root", str(data), "--name", "a", *SMALL]
    assert main([*words, "--runs", str(tmp_path), "--trainer.max_epochs", "0"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "made no step" in shown
    assert "Trained" not in shown


def test_a_budget_ends_on_time_and_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    validate = SegmentationTask.validation_step

    def watched(task: SegmentationTask, batch: Batch, batch_idx: int) -> Any:
        looked_at.append(batch_idx)
        return validate(task, batch, batch_idx)

    monkeypatch.setattr(SegmentationTask, "validation_step", watched)
    monkeypatch.setattr(SegxDataModule, "validation_batches", lambda _data, _share: 1)
    data = write_discs(tmp_path / "data")
    words = ["fit", "-c", "smoke", "--data.root", str(data), "--name", "a", "--quiet"]
    small = [
        "--data.batch_size",
        "2",
        "--data.workers",
        "0",
        "--training.overlays",
        "0",
    ]
    assert main([*words, "--runs", str(tmp_path), "--budget", "12s", *small]) == 0
    last = torch.load(tmp_path / "a" / "checkpoints" / "last.ckpt", weights_only=True)
    config = (tmp_path / "a" / "config.yaml").read_text()
    assert f"max_steps: {last['global_step']}" in config
    rate = last["optimizer_states"][0]["param_groups"][0]["lr"]
    assert rate == pytest.approx(0, abs=1e-4)
    assert set(looked_at) == {0}  # what does not fit is not even loaded
