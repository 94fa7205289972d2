"""What goes together in a config: keys that a task needs, and those it can't use."""

from collections.abc import Iterator
from pathlib import Path

from segx.config.schema import CleaningConfig, FitConfig

__all__ = ["task_mistakes"]

_KINDS = ("", ".json", ".csv")


def task_mistakes(config: FitConfig) -> list[str]:
    """One line for each key that is missing, or stands in the way of the task.

    Examples:
        >>> from segx.config import FitConfig
        >>> task_mistakes(FitConfig())
        []
    """
    if config.task == "detection":
        return list(_of_detection(config))
    return list(_of_others(config))


def _of_others(config: FitConfig) -> Iterator[str]:
    if config.model.detector is not None:
        yield (
            f"model.detector: {config.model.detector.name} given, but task "
            f"{config.task} finds no boxes. Set it to null, or take -c faster_rcnn."
        )
    if config.data.boxes is not None:
        yield (
            f"data.boxes: {config.data.boxes} given, but task {config.task} learns no "
            "boxes. Set it to null, or take -c faster_rcnn."
        )


def _of_detection(config: FitConfig) -> Iterator[str]:
    model, data = config.model, config.data
    if model.detector is None:
        yield "model.detector: detection needs one: FasterRCNN or RetinaNet."
    if model.decoder is not None:
        yield (
            f"model.decoder: {model.decoder.name} given, but detection has a detector "
            "in its place. Set it to null."
        )
    if data.boxes is None:
        yield (
            "data.boxes: say where the boxes are: --data.boxes instances, or a .json "
            "or .csv file."
        )
    elif data.boxes.suffix.lower() not in _KINDS or (
        not data.boxes.suffix and data.boxes.parent != Path()
    ):
        yield (
            f"data.boxes: {data.boxes} is neither the name of a folder beside images/ "
            "nor a .json or .csv file."
        )
    if data.mask_kind != "auto" or not isinstance(data.columns.mask, str):
        yield (
            f"data.mask_kind: {data.mask_kind}, with data.columns.mask "
            f"{data.columns.mask!r}, is about masks; an object has one class. Leave "
            "both at their defaults."
        )
    if isinstance(data.resize, tuple):
        yield (
            f"data.resize: {list(data.resize)} given, but boxes are learnt and told at "
            "the images' own size. Set it to null."
        )
    for key, value, unused in (
        ("data.ignore_index", data.ignore_index, None),
        ("data.neighbours", data.neighbours, 0),
        ("inference.cleaning", config.inference.cleaning, CleaningConfig()),
    ):
        if value != unused:
            yield f"{key}: boxes have no use for it. Leave it at its default."
