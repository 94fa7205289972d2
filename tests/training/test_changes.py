"""A run goes on with its own config, but for what the weights don't depend on."""

import logging
from pathlib import Path

import pytest

from segx.config import FitConfig
from segx.errors import TrainingError
from segx.training.changes import check_changes
from segx.training.run import RunFolder

BASE = {"trainer": {"max_epochs": 4}, "data": {"root": "cells"}}


def run_of(config: FitConfig, folder: Path) -> RunFolder:
    run = RunFolder(folder / "a")
    run.create()
    run.write_config(config)
    return run


def changed(key: str, value: object) -> FitConfig:
    tree = FitConfig.model_validate(BASE).model_dump(mode="json")
    *path, last = key.split(".")
    place = tree
    for name in path:
        place = place[name]
    place[last] = value
    return FitConfig.model_validate(tree)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("model.decoder", "FPN"),
        ("model.encoder.name", "xception41"),
        ("model.loss", "Dice"),
        ("data.batch_size", 3),
        ("training.optimizer", {"name": "AdamW", "lr": 0.1}),
        ("training.ema_decay", 0.5),
        ("training.monitor", "val/iou"),
        ("trainer.accumulate_grad_batches", 2),
    ],
)
def test_what_the_weights_depend_on_is_refused_with_both_values(
    key: str, value: object, tmp_path: Path
) -> None:
    run = run_of(FitConfig.model_validate(BASE), tmp_path)
    with pytest.raises(TrainingError, match=r"--ckpt_path last") as error:
        check_changes(changed(key, value), run)
    lines = [line for line in str(error.value).splitlines() if " → " in line]
    assert lines
    assert all(line.strip().startswith(key) for line in lines)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.workers", 3),
        ("data.cache_mib", 0),
        ("training.logger", "tensorboard"),
        ("training.overlays", 0),
        ("training.early_stopping", None),
        ("trainer.max_epochs", 9),
        ("trainer.devices", 2),
    ],
)
def test_what_they_do_not_depend_on_is_allowed_and_noted(
    key: str, value: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_of(FitConfig.model_validate(BASE), tmp_path)
    with caplog.at_level(logging.INFO, logger="segx"):
        check_changes(changed(key, value), run)
    assert [record.getMessage() for record in caplog.records] != []
    assert f"than before: {key}: " in caplog.text


def test_an_equal_config_is_not_remarked_upon(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = FitConfig.model_validate(BASE)
    with caplog.at_level(logging.INFO, logger="segx"):
        check_changes(config, run_of(config, tmp_path))
    assert caplog.text == ""


def test_the_steps_that_a_budget_planned_are_not_lost(tmp_path: Path) -> None:
    planned = FitConfig(trainer={"max_steps": 90, "max_epochs": -1})
    run = run_of(planned, tmp_path)
    check_changes(FitConfig(trainer={"max_steps": 120, "max_epochs": -1}), run)
    with pytest.raises(TrainingError, match=r"trainer\.max_steps: 90 → not set"):
        check_changes(FitConfig(trainer={"max_epochs": 40}), run)
