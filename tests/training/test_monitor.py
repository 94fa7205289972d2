"""The best checkpoint is chosen by a metric that there is; the config says how long."""

from types import SimpleNamespace
from typing import Any

import pytest
from pytorch_lightning.callbacks import EarlyStopping

from segx.config import FitConfig
from segx.errors import ConfigError
from segx.labels import Labels
from segx.training.monitor import Patience, check_monitor

CELLS = Labels("binary", ("background", "cell"))


def config(task: str, monitor: str) -> FitConfig:
    training = {"monitor": monitor}
    return FitConfig.model_validate({"task": task, "training": training})


@pytest.mark.parametrize(
    ("task", "monitor"),
    [
        ("segmentation", "val/dice"),
        ("segmentation", "val/iou/cell"),
        ("classification", "val/balanced_accuracy"),
        ("multitask", "val/dice_auroc"),
        ("multitask", "val/dice/cell"),
        ("detection", "val/map50/cell"),
    ],
)
def test_what_a_validation_tells_is_taken(task: str, monitor: str) -> None:
    check_monitor(config(task, monitor))
    check_monitor(config(task, monitor), labels=CELLS)


@pytest.mark.parametrize(
    ("task", "monitor", "told"),
    [
        ("segmentation", "val/dcie", "Did you mean val/dice"),
        ("segmentation", "val/auroc", "segmentation has no metric 'val/auroc'"),
        ("classification", "val/dice", "classification has no metric 'val/dice'"),
        ("classification", "val/brier", "of which more is better"),
        ("detection", "val/map75/cell", "Did you mean val/map75"),
    ],
)
def test_what_it_does_not_tell_is_refused(task: str, monitor: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_monitor(config(task, monitor))


def test_a_class_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean val/dice/cell"):
        check_monitor(config("segmentation", "val/dice/cel"), labels=CELLS)


def test_patience_is_that_of_the_config_and_the_waiting_that_of_the_run() -> None:
    before = EarlyStopping("val/dice", mode="max", patience=15)
    before.wait_count = 15
    now = Patience("val/dice", validations=50)
    assert now.state_key == before.state_key
    now.load_state_dict(before.state_dict())
    assert (now.patience, now.wait_count) == (50, 15)


@pytest.mark.parametrize(("validations", "ends"), [(15, True), (50, False)])
def test_a_run_that_has_waited_long_enough_is_at_its_end(
    validations: int, ends: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "segx")
    trainer: Any = SimpleNamespace(should_stop=False, is_global_zero=True)
    callback = Patience("val/dice", validations=validations)
    callback.wait_count = 15
    callback.on_train_start(trainer, trainer)
    assert trainer.should_stop == ends
    assert ("Ends early: 15 validations" in caplog.text) == ends
