"""The loss that a config names, checked before any data are read."""

from typing import Any

from segx.config import Choice, class_named, typed_options
from segx.labels import Labels
from segx.losses import CLASS_LOSSES, LOSSES, ClassificationLoss, SegmentationLoss

__all__ = ["build_class_loss", "build_loss", "check_loss"]

_KEY = "model.loss"


def check_loss(choice: Choice, *, task: str) -> None:
    """Refuse an unknown loss or option.

    Raises:
        ConfigError: With the nearest name.
    """
    if task == "classification":
        _class_loss(choice)
    else:
        _mask_loss(choice)


def build_loss(choice: Choice, labels: Labels) -> SegmentationLoss:
    """The loss of masks.

    Raises:
        ConfigError: For an unknown name or option.
        ModelError: If the loss does not suit the kind of mask.
    """
    cls, options = _mask_loss(choice)
    return cls(labels, **options)


def build_class_loss(choice: Choice, classes: int) -> ClassificationLoss:
    """The loss of a whole image's class.

    Raises:
        ConfigError: For an unknown name or option.
    """
    cls, options = _class_loss(choice)
    return cls(classes, **options)


def _mask_loss(choice: Choice) -> tuple[type[SegmentationLoss], dict[str, Any]]:
    cls = class_named(choice.name, LOSSES, key=_KEY, base=SegmentationLoss)
    return cls, typed_options(cls, choice, key=_KEY, supplied=("labels",))


def _class_loss(choice: Choice) -> tuple[type[ClassificationLoss], dict[str, Any]]:
    cls = class_named(choice.name, CLASS_LOSSES, key=_KEY, base=ClassificationLoss)
    return cls, typed_options(cls, choice, key=_KEY, supplied=("classes",))
