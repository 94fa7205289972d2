"""What goes wrong in a training is said once, and nothing good is lost."""

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from segx.boxes import Detections
from segx.cli.main import main
from segx.data.dataset import Batch, Objects
from segx.inference.loading import load
from segx.labels import Labels
from segx.training import guards
from segx.training.guards import Collapse, UnseenClasses, is_finite, warn_of_repeats
from segx.training.task import SegmentationTask
from tests.phantoms import write_discs
from tests.training import runs


class Alone:
    """A trainer's part that guards ask: there is one process."""

    def reduce_boolean_decision(self, decision: bool, all: bool = True) -> bool:  # noqa: A002
        return decision

    def reduce(self, tensor: Tensor, reduce_op: str) -> Tensor:
        return tensor


class Trainer:
    strategy = Alone()


def test_a_loss_that_is_no_number_stops_and_leaves_the_last_good_weights(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step, steps = SegmentationTask.training_step, 0

    def failing(task: SegmentationTask, batch: Batch, batch_idx: int) -> Tensor:
        nonlocal steps
        steps += 1
        loss = step(task, batch, batch_idx)
        return loss * float("nan") if steps > 5 else loss

    monkeypatch.setattr(SegmentationTask, "training_step", failing)
    data = write_discs(tmp_path / "data", count=4)
    # Three steps an epoch: the sixth fails, and a validation would follow it.
    assert main(runs.words(data, tmp_path)) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "not finite" in message
    assert "last good weights are kept" in message
    last = runs.last(tmp_path / "a")
    assert last["global_step"] == 3
    assert all(item.isfinite().all() for item in last["state_dict"].values())
    load(tmp_path / "a", device="cpu")


def test_three_steps_without_a_number_are_too_many(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = SegmentationTask.training_step

    def failing(task: SegmentationTask, batch: Batch, batch_idx: int) -> Tensor:
        return step(task, batch, batch_idx) * float("inf")

    monkeypatch.setattr(SegmentationTask, "training_step", failing)
    data = write_discs(tmp_path / "data", count=4)
    more = ["--data.steps_per_epoch", "9"]
    assert main(runs.words(data, tmp_path, *more)) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "not finite in 3 steps in a row, up to step 3" in message
    assert "no weights are kept" in message


def test_finite_means_every_parameter() -> None:
    module = torch.nn.Linear(3, 2)
    assert is_finite(module)
    with torch.no_grad():
        module.bias[1] = float("inf")
    assert not is_finite(module)


def batch(mask: Tensor | None = None, label: Tensor | None = None) -> Batch:
    image = torch.zeros(2, 1, 4, 4)
    none = torch.zeros(2, dtype=torch.int64)
    both = torch.arange(2)
    return Batch(image, mask, label, none, none, masked=both, labelled=both)


def unseen(guard: UnseenClasses, *batches: Batch) -> None:
    guard.on_train_epoch_start(Trainer(), None)  # type: ignore[arg-type]
    for number, item in enumerate(batches):
        guard.on_train_batch_end(Trainer(), None, None, item, number)  # type: ignore[arg-type]
    for _ in range(2):
        guard.on_train_epoch_end(Trainer(), None)  # type: ignore[arg-type]


NAMES = ("background", "cell", "nucleus")


@pytest.mark.parametrize(
    ("labels", "first", "second"),
    [
        (Labels("multiclass", NAMES, ignore_index=255), [0, 255], [1, 255]),
        (
            Labels("multilabel", NAMES),
            [[1, 0], [0, 1], [0, 0]],
            [[0, 1]] + [[0, 0]] * 2,
        ),
        (None, [0, 0], [1, 1]),
    ],
    ids=["multiclass", "multilabel", "classification"],
)
def test_a_class_that_never_came_is_named_once(
    labels: Labels | None, first: list, second: list, caplog: pytest.LogCaptureFixture
) -> None:
    def given(values: list) -> Batch:
        tensor = torch.tensor(values)
        if labels is None:
            return batch(label=tensor)
        if labels.kind == "multiclass":
            return batch(mask=tensor.expand(2, 2).reshape(2, 1, 2))
        return batch(mask=tensor.reshape(1, 3, 1, 2))

    guard = UnseenClasses(NAMES, labels, expected=NAMES)
    with caplog.at_level(logging.WARNING, logger="segx"):
        unseen(guard, given(first), given(second))
    assert [record.args for record in caplog.records] == [("nucleus",)]


def test_a_class_that_no_case_holds_was_said_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = UnseenClasses(NAMES, None, expected=NAMES[:2])
    with caplog.at_level(logging.WARNING, logger="segx"):
        unseen(guard, batch(label=torch.tensor([0, 1])))
    assert caplog.text == ""


@pytest.mark.parametrize("truth", [0, 1])
def test_a_collapse_is_said_once_and_only_where_there_is_something_to_find(
    truth: int, caplog: pytest.LogCaptureFixture
) -> None:
    guard = Collapse(patience=3)
    masks = {"truth": torch.tensor([truth]), "predicted": torch.tensor([0])}
    with caplog.at_level(logging.WARNING, logger="segx"):
        for number in range(10):
            found = {**masks, "predicted": torch.tensor([int(number == 1)])}
            guard.on_validation_batch_end(Trainer(), None, found, None, 0)  # type: ignore[arg-type]
            guard.on_validation_epoch_end(Trainer(), None)  # type: ignore[arg-type]
            assert len(caplog.records) == (truth if number >= 4 else 0)


def test_a_class_of_boxes_that_never_came_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    boxes = Objects(torch.ones(2, 4), torch.tensor([1, 1]))
    none = Objects(torch.ones(0, 4), torch.zeros(0, dtype=torch.int64))
    guard = UnseenClasses(NAMES[1:], None, expected=NAMES[1:])
    with caplog.at_level(logging.WARNING, logger="segx"):
        unseen(guard, batch()._replace(objects=[boxes, none]))
    assert [record.args for record in caplog.records] == [("nucleus",)]


@pytest.mark.parametrize("objects", [0, 1])
def test_a_detector_that_finds_nothing_is_said_where_there_is_something_to_find(
    objects: int, caplog: pytest.LogCaptureFixture
) -> None:
    guard = Collapse(patience=2)
    truth = Detections.of([[0, 0, 1, 1]] * objects, [1] * objects)
    outputs = {"truth": truth, "predicted": Detections.empty()}
    with caplog.at_level(logging.WARNING, logger="segx"):
        for _ in range(2):
            guard.on_validation_batch_end(Trainer(), None, outputs, None, 0)  # type: ignore[arg-type]
            guard.on_validation_epoch_end(Trainer(), None)  # type: ignore[arg-type]
    assert len(caplog.records) == objects


@pytest.mark.parametrize(("cases", "is_said"), [(3, True), (4, False)])
def test_a_batch_larger_than_the_set_is_said(
    cases: int, is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger=guards.__name__):
        warn_of_repeats(cases, batch=4)
    assert bool(caplog.records) == is_said
