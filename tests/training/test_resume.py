"""A run that was stopped goes on bit for bit as one that never was."""

import csv
import signal
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from segx.cli.main import main
from segx.training.position import Position
from segx.training.resume import LastCheckpoint
from segx.training.run import RunFolder
from segx.training.task import SegmentationTask
from tests.phantoms import write_discs
from tests.training import runs


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_discs(tmp_path_factory.mktemp("resume") / "data", count=5)


@pytest.fixture(scope="module")
def whole(data: Path) -> Path:
    """Four epochs of three steps, undisturbed; tests only read it."""
    return runs.train(data, data.parent, name="whole")


class Broken(pl.LightningModule):
    """Its only weight is no number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(torch.nan))


def same_as(whole: Path, run: Path) -> bool:
    found = list(runs.differences(runs.last(whole), runs.last(run)))
    assert found == []
    for name in ("best", "previous"):
        assert (run / "checkpoints" / f"{name}.ckpt").is_file()
    assert logged(run, "train/loss") == logged(whole, "train/loss")
    assert logged(run, "val/dice") == logged(whole, "val/dice")
    return True


def logged(run: Path, column: str) -> list[tuple[str, str]]:
    """The steps that metrics.csv has a column for, and its values."""
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [(row["step"], row[column]) for row in rows if row[column]]


# Steps 5 and 6: within the second epoch, and its last, where a validation is due.
@pytest.mark.parametrize(
    ("hook", "at", "number"),
    [
        ("training_step", 5, signal.SIGTERM),
        ("training_step", 6, signal.SIGINT),
        pytest.param("validation_step", 2, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_stop_finishes_the_batch_and_the_next_one_follows(
    hook: str,
    at: int,
    number: signal.Signals,
    data: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        step = runs.stopping(
            getattr(SegmentationTask, hook),
            at=at,
            number=number,
            deliver=runs.hand_over,
        )
        patch.setattr(SegmentationTask, hook, step)
        if number == signal.SIGINT:
            assert main(runs.words(data, tmp_path)) == 130
        else:
            with pytest.raises(SystemExit, match="143"):
                main(runs.words(data, tmp_path))
    stopped = runs.last(tmp_path / "a")
    expected = {
        5: Position(epoch=1, batch=2),
        6: Position(epoch=1, batch=3, validates=True),
        2: Position(epoch=1, batch=3, validates=True),
    }[at]
    assert Position.in_checkpoint(stopped) == expected
    assert main(runs.again(tmp_path)) == 0
    shown = capsys.readouterr()
    assert f"Goes on at step {stopped['global_step']} of 12" in shown.err
    assert "Trained: " in shown.out
    assert same_as(whole, tmp_path / "a")


def test_the_last_state_knows_the_best_score(data: Path, tmp_path: Path) -> None:
    """Or a worse validation would take the place of the best after a resume."""
    run = runs.train(data, tmp_path, "--trainer.max_epochs", "1")
    states = runs.last(run)["callbacks"]
    (best,) = (states[key] for key in states if key.startswith("ModelCheckpoint"))
    ((_, dice),) = logged(run, "val/dice")
    assert float(best["best_model_score"]) == pytest.approx(float(dice))


def test_the_last_epoch_is_kept_without_a_validation(
    data: Path, tmp_path: Path
) -> None:
    rarely = ["--trainer.check_val_every_n_epoch", "3"]
    run = runs.train(data, tmp_path, *rarely)
    assert runs.last(run)["global_step"] == 12


@pytest.mark.parametrize(
    "end",
    [
        ["--trainer.max_steps", "5", "--trainer.check_val_every_n_epoch", "3"],
        ["--trainer.max_steps", "5", "--trainer.limit_val_batches", "0"],
    ],
)
def test_the_last_step_is_kept_without_a_validation(
    end: list[str], data: Path, tmp_path: Path
) -> None:
    run = runs.train(data, tmp_path, *end)
    last = runs.last(run)
    assert last["global_step"] == 5
    assert Position.in_checkpoint(last) == Position(epoch=1, batch=2)


def test_a_state_that_holds_no_numbers_is_not_kept(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create()
    trainer = pl.Trainer(barebones=True)
    trainer.strategy.connect(Broken())
    LastCheckpoint(run)._keep(trainer, Position(epoch=0, batch=1))
    assert not run.goes_on


def test_a_run_that_is_finished_says_so(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(runs.again(whole.parent, name="whole")) == 0
    shown = capsys.readouterr()
    assert "is finished already" in shown.out
    assert "Trained" not in shown.out
    assert "Goes on" not in shown.err


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(
    ("what", "at", "number", "code"),
    [
        ("training", 7, signal.SIGKILL, -9),  # the first of the third epoch
        ("training", 5, signal.SIGTERM, 143),
        ("training", 6, signal.SIGINT, 130),
        ("validation", 1, signal.SIGTERM, 143),
    ],
)
def test_another_process_goes_on_bit_for_bit(
    what: str,
    at: int,
    number: int,
    code: int,
    workers: str,
    data: Path,
    whole: Path,
    tmp_path: Path,
) -> None:
    arguments = runs.words(data, tmp_path, "--data.workers", workers)
    assert runs.stopped(arguments, what=what, at=at, number=number) == code
    assert runs.in_process(runs.again(tmp_path)).returncode == 0
    assert same_as(whole, tmp_path / "a")


@pytest.mark.slow
def test_a_stop_of_the_whole_group_lets_the_loaders_finish(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    arguments = runs.words(data, tmp_path, "--data.workers", "2")
    code = runs.stopped(arguments, what="training", at=5, number=-signal.SIGTERM)
    assert code == 143
    assert runs.in_process(runs.again(tmp_path)).returncode == 0
    assert same_as(whole, tmp_path / "a")


@pytest.mark.slow
def test_gathered_gradients_are_not_torn_apart(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["--trainer.accumulate_grad_batches", "2", "--trainer.max_epochs", "2"]
    expected = runs.train(data, tmp_path, *more, name="expected")
    with monkeypatch.context() as patch:
        step = runs.stopping(
            SegmentationTask.training_step, at=4, number=signal.SIGTERM
        )
        patch.setattr(SegmentationTask, "training_step", step)
        with pytest.raises(SystemExit):
            main(runs.words(data, tmp_path, *more))
    # Batch 4 begins the second epoch and is the first of a pair: its step is batch 5's.
    position = Position.in_checkpoint(runs.last(tmp_path / "a"))
    assert position == Position(epoch=1, batch=2)
    assert main(runs.again(tmp_path)) == 0
    assert list(runs.differences(runs.last(expected), runs.last(tmp_path / "a"))) == []


@pytest.mark.slow
@pytest.mark.parametrize("at", [3, 5])
def test_a_validation_amid_gathered_gradients_loses_none(
    at: int, data: Path, tmp_path: Path
) -> None:
    more = ["--trainer.accumulate_grad_batches", "2", "--trainer.max_epochs", "2"]
    more += ["--trainer.val_check_interval", "1"]
    expected = runs.train(data, tmp_path, *more, name="expected")
    words = runs.words(data, tmp_path, *more)
    assert runs.stopped(words, what="training", at=at, number=signal.SIGKILL) == -9
    assert runs.in_process(runs.again(tmp_path)).returncode == 0
    found = runs.differences(runs.last(expected), runs.last(tmp_path / "a"))
    assert list(found) == []


@pytest.mark.slow
def test_another_seed_gives_other_weights(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    other = runs.train(data, tmp_path, "--seed", "1")
    assert any(runs.differences(runs.last(whole), runs.last(other)))


def test_data_that_changed_meanwhile_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_discs(tmp_path / "data", count=4)
    runs.train(data, tmp_path, "--trainer.max_epochs", "1")
    for kind in ("images", "masks"):
        file = data / "train" / kind / "train0.png"
        file.rename(file.with_name("other.png"))
    assert main(runs.again(tmp_path, "--trainer.max_epochs", "2")) == 1
    message = capsys.readouterr().err
    assert "is new" in message
    assert "splits.csv" in message
