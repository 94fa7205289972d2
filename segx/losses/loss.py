"""The base of the losses of masks, and the checks of their options."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segx.errors import ConfigError
from segx.labels import Labels
from segx.losses.belief import Belief

__all__ = [
    "TINY",
    "SegmentationLoss",
    "check_weights",
    "not_negative",
    "over",
    "positive",
    "share",
    "weighted_mean",
]

TINY = torch.finfo(torch.float32).tiny
"""Least denominator: what divides nothing by nothing, and leaves the rest alone."""


class SegmentationLoss(nn.Module, ABC):
    """Base of the losses of masks: checks the tensors, then asks `measure`.

    Args:
        labels: What the target's numbers mean; says which pixels are ignored.
        class_weights: One weight a name of `labels`, at least 0. Pixelwise losses
            weigh a pixel by its true class, regionwise ones the foreground classes
            in the mean over classes. None weighs all alike.

    Raises:
        ConfigError: If the weights are of another number, negative or all 0.
    """

    weights: Tensor

    def __init__(
        self, labels: Labels, *, class_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self.labels = labels
        self.weighted = class_weights is not None
        weights = check_weights(class_weights, names=labels.names)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare logits with the truth.

        Args:
            logits: (B, k, H, W), any float type; k is `labels.logits`.
            target: (B, H, W) class ids, or (B, K, H, W) of 0 and 1 for multilabel
                masks; `labels.ignore_index` where a pixel doesn't count.

        Returns:
            A float32 scalar; 0, with zero gradients, if every pixel is ignored.

        Raises:
            ModelError: See `Belief.of`.
        """
        return self.measure(Belief.of(self.labels, logits, target))

    @abstractmethod
    def measure(self, belief: Belief) -> Tensor:
        """Return the loss, a float32 scalar."""


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of `values` by `weights` of the same shape; 0 if all weights are 0."""
    if weights is None:
        return values.mean()
    return over((values * weights).sum(), weights.sum())


def over(total: Tensor, weight: Tensor) -> Tensor:
    """A sum over its weight, both scalars; 0, with zero gradients, where that is 0."""
    return torch.where(weight > 0, total, 0.0) / weight.clamp_min(TINY)


def check_weights(given: Sequence[float] | None, *, names: Sequence[str]) -> Tensor:
    """Class weights as a float32 tensor, all 1 if none are given.

    Raises:
        ConfigError: If the weights are of another number, negative or all 0.
    """
    if given is None:
        return torch.ones(len(names))
    usable = all(math.isfinite(weight) and weight >= 0 for weight in given)
    if len(given) != len(names) or not usable or not any(given):
        raise ConfigError(
            f"class_weights: {list(given)} given; allowed are {len(names)} finite "
            f"numbers of at least 0, not all 0: one for each of {list(names)}."
        )
    return torch.tensor(given, dtype=torch.float32)


def share(name: str, value: float) -> float:
    """Return an option's value if it is in [0, 1), else raise ConfigError."""
    if not 0 <= value < 1:
        raise ConfigError(f"{name}: {value} given; allowed is 0 <= {name} < 1.")
    return value


def not_negative(name: str, value: float) -> float:
    """Return an option's value if it is finite and >= 0, else raise ConfigError."""
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"{name}: {value} given; allowed is a finite {name} >= 0.")
    return value


def positive(name: str, value: float) -> float:
    """Return an option's value if it is finite and > 0, else raise ConfigError."""
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name}: {value} given; allowed is a finite {name} > 0.")
    return value
