"""The losses that a config names, checked before any data are read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from segx.config import Choice, class_named, typed_options
from segx.data.case import Case, classes_of
from segx.labels import Labels
from segx.losses import CLASS_LOSSES, LOSSES, ClassificationLoss, SegmentationLoss

__all__ = [
    "DetectorLosses",
    "MultitaskLosses",
    "balanced",
    "build_class_loss",
    "build_loss",
    "check_loss",
]

_KEY = "model.loss"
_BALANCED = "balanced"


@dataclass(frozen=True)
class MultitaskLosses:
    """The losses of masks and classes that are learnt at once, and their weights.

    Args:
        masks: The loss of the masks.
        classes: The loss of the classes.
        mask_weight: Weight of the first.
        class_weight: Weight of the second.
        learned: Learn further weights; see `TaskBalance`.
    """

    masks: Choice
    classes: Choice
    mask_weight: float = 1.0
    class_weight: float = 1.0
    learned: bool = False

    @classmethod
    def of(cls, choice: Choice) -> Self:
        """Read what a config says.

        Raises:
            ConfigError: If it names another loss, or an unknown option.
        """
        named = class_named(choice.name, {"Multitask": cls}, key=_KEY, base=cls)
        return named(**typed_options(named, choice, key=_KEY))


@dataclass(frozen=True)
class DetectorLosses:
    """How a detector's own losses are added up.

    Args:
        box_weight: Weight of the losses of places, beside those of classes.
    """

    box_weight: float = 1.0

    @classmethod
    def of(cls, choice: Choice) -> Self:
        """Read what a config says.

        Raises:
            ConfigError: If it names another loss, or an unknown option.
        """
        named = class_named(choice.name, {"Detector": cls}, key=_KEY, base=cls)
        return named(**typed_options(named, choice, key=_KEY))

    def sum(self, losses: dict[str, Tensor]) -> Tensor:
        """The number that is learnt from."""
        weighted = [
            self.box_weight * loss if "box" in name else loss
            for name, loss in losses.items()
        ]
        return torch.stack(weighted).sum()


def check_loss(choice: Choice, *, task: str) -> None:
    """Refuse an unknown loss or option.

    Raises:
        ConfigError: With the nearest name.
    """
    if task == "segmentation":
        _mask_loss(choice)
    elif task == "classification":
        _class_loss(choice)
    elif task == "detection":
        DetectorLosses.of(choice)
    else:
        both = MultitaskLosses.of(choice)
        _mask_loss(both.masks)
        _class_loss(both.classes)


def build_loss(choice: Choice, labels: Labels) -> SegmentationLoss:
    """The loss of masks.

    Raises:
        ConfigError: For an unknown name or option.
        ModelError: If the loss does not suit the kind of mask.
    """
    cls, options = _mask_loss(choice)
    return cls(labels, **options)


def build_class_loss(choice: Choice, labels: Labels) -> ClassificationLoss:
    """The loss of a whole image's class, or of its classes.

    Args:
        choice: Its name and options; `balanced` has made numbers of its weights.
        labels: What the classes are.

    Raises:
        ConfigError: For an unknown name or option.
    """
    cls, options = _class_loss(choice)
    return cls(labels, **options)


def balanced(choice: Choice, labels: Labels, cases: Sequence[Case]) -> Choice:
    """The same choice, with numbers for ``class_weights: balanced`` of classes.

    A class's weight is n / (K · its cases), so that all classes count alike. Where an
    image may be of several classes, the weight is that of the presence of a class:
    cases without it for each case with it.

    Args:
        choice: The loss of the classes, or the losses of both tasks.
        labels: What the classes are.
        cases: The training cases.
    """
    options = dict(choice.options)
    if "classes" in options:
        inner = balanced(Choice.model_validate(options["classes"]), labels, cases)
        options["classes"] = inner.as_yaml()
    if options.get("class_weights") == _BALANCED:
        options["class_weights"] = _weights(labels, cases)
    return Choice(name=choice.name, options=options)


def _weights(labels: Labels, cases: Sequence[Case]) -> list[float]:
    """The weight of each class by its number of cases; of a missing one, as of one."""
    present = Counter(index for case in cases for index in classes_of(case))
    counts = [max(1, present[index]) for index in range(len(labels.names))]
    if labels.kind == "multiclass":
        even = present.total() / len(counts)
        return [round(even / count, 4) for count in counts]
    absent = Counter(
        index for case in cases for index, tag in enumerate(case.tags or ()) if tag == 0
    )
    return [
        round(max(1, absent[index]) / count, 4) for index, count in enumerate(counts)
    ]


def _mask_loss(choice: Choice) -> tuple[type[SegmentationLoss], dict[str, Any]]:
    cls = class_named(choice.name, LOSSES, key=_KEY, base=SegmentationLoss)
    return cls, typed_options(cls, choice, key=_KEY, supplied=("labels",))


def _class_loss(choice: Choice) -> tuple[type[ClassificationLoss], dict[str, Any]]:
    if choice.options.get("class_weights") == _BALANCED:  # numbers once data are read
        unweighted = {**choice.options, "class_weights": None}
        choice = Choice(name=choice.name, options=unweighted)
    cls = class_named(choice.name, CLASS_LOSSES, key=_KEY, base=ClassificationLoss)
    return cls, typed_options(cls, choice, key=_KEY, supplied=("labels",))
