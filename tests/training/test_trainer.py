"""Loggers, early stopping, gathered and clipped gradients, a bar with a true end."""

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from segx.cli.main import main
from segx.training.callbacks import Progress, Speed
from segx.training.task import SegmentationTask
from tests.phantoms import write_discs
from tests.training import runs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_discs(tmp_path_factory.mktemp("trainer") / "data", count=4)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_both_loggers_hold_the_same_numbers(data: Path, tmp_path: Path) -> None:
    board = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs segx[tensorboard]",
    )
    more = ["--training.logger", "tensorboard", "--trainer.max_epochs", "2"]
    run = runs.train(data, tmp_path, *more)
    table = rows(run)
    found = board.EventAccumulator(str(run / "tensorboard")).Reload()
    for name in ("train/loss", "val/dice"):
        written = [(int(row["step"]), float(row[name])) for row in table if row[name]]
        drawn = [(event.step, event.value) for event in found.Scalars(name)]
        assert [step for step, _ in written] == [step for step, _ in drawn]
        assert [value for _, value in written] == pytest.approx(
            [value for _, value in drawn], rel=1e-6
        )
    assert [row["step"] for row in table if row["train/loss"]] == list("012345")


@pytest.mark.slow
def test_gathered_gradients_make_one_step_of_several_batches(
    data: Path, tmp_path: Path
) -> None:
    more = ["--trainer.accumulate_grad_batches", "2", "--trainer.max_epochs", "2"]
    last = runs.last(runs.train(data, tmp_path, *more))
    # Three batches an epoch: a pair, and the last by itself.
    assert last["global_step"] == 4
    # The average follows every step, also that of the batch by itself.
    assert int(last["state_dict"]["average.n_averaged"]) == 4


def test_gradients_are_clipped_to_what_the_config_says(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = []

    def measure(task: SegmentationTask, optimizer: torch.optim.Optimizer) -> None:
        grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
        total = torch.stack([grad.norm() for grad in grads if grad is not None]).norm()
        norms.append(float(total))

    step = SegmentationTask.optimizer_step

    def observed(task: SegmentationTask, *arguments: object, **more: object) -> None:
        step(task, *arguments, **more)
        measure(task, arguments[2].optimizer)  # type: ignore[attr-defined]

    monkeypatch.setattr(SegmentationTask, "optimizer_step", observed)
    more = ["--trainer.gradient_clip_val", "0.01", "--trainer.max_epochs", "1"]
    runs.train(data, tmp_path, *more)
    assert len(norms) == 3
    assert all(norm == pytest.approx(0.01, rel=1e-3) for norm in norms)


@pytest.mark.slow
def test_training_stops_when_nothing_gets_better(data: Path, tmp_path: Path) -> None:
    still = ["--training.optimizer.lr", "0.0", "--training.early_stopping", "2"]
    run = runs.train(data, tmp_path, *still, "--trainer.max_epochs", "9")
    assert runs.last(run)["global_step"] < 27


@pytest.mark.parametrize(
    "max_epochs", ["-1", pytest.param("9", marks=pytest.mark.slow)]
)
def test_the_bar_ends_at_the_last_step(
    max_epochs: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    update = Progress.on_train_batch_end

    def observed(bar: Progress, *arguments: object) -> None:
        update(bar, *arguments)  # type: ignore[arg-type]
        task = bar.train_progress_bar
        ends.append((int(task.completed), task.total))

    monkeypatch.setattr(Progress, "on_train_batch_end", observed)
    words = runs.words(data, tmp_path, "--trainer.max_steps", "5")
    words[words.index("--trainer.max_epochs") + 1] = max_epochs
    words.remove("--quiet")
    assert main(words) == 0
    assert ends == [(1, 3), (2, 3), (3, 3), (1, 2), (2, 2)]


def test_the_bar_shows_short_names() -> None:
    metrics = {"train/loss": 0.5, "train/images_per_s": 9.0, "val/dice": 0.75}
    trainer: Any = SimpleNamespace(loggers=[], progress_bar_metrics=metrics)
    module: Any = None
    found = Progress().get_metrics(trainer, module)
    assert found == {"loss": 0.5, "img/s": 9.0, "dice": 0.75}


def test_gathered_batches_are_one_step_of_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(times)))
    logged: dict[str, list[float]] = {"train/step_s": [], "train/wait_s": []}
    logged["train/images_per_s"] = []

    def log(name: str, value: float, **_options: Any) -> None:
        logged[name].append(value)

    module: Any = SimpleNamespace(log=log)
    batch: Any = SimpleNamespace(image=torch.zeros(6, 1))
    speed = Speed()
    for number in range(6):
        loop = SimpleNamespace(_should_accumulate=lambda at=number: at % 2 == 0)
        trainer: Any = SimpleNamespace(fit_loop=loop)
        speed.on_train_batch_start(trainer, module, batch, number)
        speed.on_train_batch_end(trainer, module, None, batch, number)
    # The clock moves on by a second whenever it is asked: twice a batch, once it waits.
    assert logged["train/step_s"] == [4.0, 4.0]
    assert logged["train/wait_s"] == [2.0, 2.0]
    assert logged["train/images_per_s"] == [3.0, 3.0]
