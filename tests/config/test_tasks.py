"""Keys that don't go with a task are refused when a config is read."""

from typing import Any

import pytest

from segx.config import read_config
from segx.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("model.decoder", "UNet", "model.decoder: UNet given"),
        ("model.detector", None, "model.detector: detection needs one"),
        ("data.boxes", None, "data.boxes: say where the boxes are"),
        ("data.boxes", "cells/instances", "neither the name of a folder"),
        ("data.boxes", "boxes.xml", "neither the name of a folder"),
        ("data.mask_kind", "multilabel", "data.mask_kind: multilabel"),
        ("data.columns.mask", ["a", "b"], "an object has one class"),
        ("data.resize", [64, 64], r"data.resize: \[64, 64\]"),
        ("data.ignore_index", 255, "data.ignore_index: boxes have no use"),
        ("data.neighbours", 1, "data.neighbours: boxes have no use"),
        ("inference.cleaning.fill_holes", True, "inference.cleaning: boxes have no"),
    ],
)
def test_what_a_detector_lacks_or_can_not_use_is_refused(
    key: str, value: Any, told: str
) -> None:
    assert read_config("faster_rcnn").task == "detection"
    with pytest.raises(ConfigError, match=told):
        read_config("faster_rcnn", [(key, value)])


@pytest.mark.parametrize("config", ["unet", "classify", "multitask"])
@pytest.mark.parametrize(
    ("key", "value"), [("model.detector", "RetinaNet"), ("data.boxes", "instances")]
)
def test_boxes_are_refused_where_a_task_learns_none(
    config: str, key: str, value: str
) -> None:
    task = read_config(config).task
    with pytest.raises(ConfigError, match=f"{key}: {value} given, but task {task}"):
        read_config(config, [(key, value)])


def test_all_mistakes_are_told_at_once() -> None:
    wrong = [("model.decoder", "FPN"), ("data.resize", 64)]
    with pytest.raises(ConfigError, match=r"(?s)model.decoder: FPN .*data.resize: \["):
        read_config("retinanet", wrong)
