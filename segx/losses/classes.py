"""Losses of a whole image's class, or of its classes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segx.errors import ModelError
from segx.labels import UNKNOWN, Labels
from segx.losses.loss import check_weights, over, share

__all__ = ["ClassCE", "ClassificationLoss"]


class ClassificationLoss(nn.Module, ABC):
    """Base of the losses of image classes: checks the tensors, then asks `measure`.

    Args:
        labels: Whether an image is of one class (multiclass), or may be of several
            (multilabel), and how they are called.
        class_weights: One weight a class, at least 0: of an image by its class; where
            it may be of several, of the presence of each. None weighs all alike.

    Raises:
        ConfigError: If the weights are of another number, negative or all 0.
    """

    weights: Tensor

    def __init__(
        self, labels: Labels, *, class_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self.labels = labels
        weights = check_weights(class_weights, names=labels.names)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare logits with the truth.

        Args:
            logits: (B, K), any float type.
            target: (B,) class ids or, multilabel, (B, K) of 0 and 1; `UNKNOWN` counts
                nothing.

        Returns:
            A float32 scalar; 0, with zero gradients, if nothing is known.

        Raises:
            ModelError: If the shapes don't fit.
        """
        self._check(logits, target)
        known = target != UNKNOWN
        losses, weights = self.measure(logits.float(), target.long() * known)
        losses, weights = losses * known, weights * known
        return over(losses.sum(), weights.sum())

    def _check(self, logits: Tensor, target: Tensor) -> None:
        batch, classes = logits.shape[0], len(self.weights)
        several = self.labels.kind == "multilabel"
        wanted = (batch, classes) if several else (batch,)
        if logits.shape != (batch, classes) or target.shape != wanted:
            truth = f"(batch, {classes}), 0 or 1 a class" if several else "(batch,)"
            raise ModelError(
                f"Logits of shape {tuple(logits.shape)} and a target of shape "
                f"{tuple(target.shape)} given; allowed are (batch, {classes}), one "
                f"logit a class, and {truth} for {self.labels.kind} classes."
            )

    @abstractmethod
    def measure(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted losses of float32 logits (B, K), and what their sum is divided by.

        Both are shaped like the target, int64, in which nothing is unknown any more.
        """


class ClassCE(ClassificationLoss):
    """Cross-entropy: softmax where an image is of one class, else a sigmoid a class.

    Args:
        labels: See `ClassificationLoss`.
        class_weights: See `ClassificationLoss`.
        label_smoothing: Share of the truth that is spread evenly over all classes, in
            [0, 1); of a sigmoid, over "of the class" and "not of it".
    """

    def __init__(
        self,
        labels: Labels,
        *,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(labels, class_weights=class_weights)
        self.label_smoothing = share("label_smoothing", label_smoothing)

    def measure(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """See `ClassificationLoss.measure`."""
        if self.labels.kind == "multilabel":
            truth = target.float()
            smooth = truth + self.label_smoothing * (0.5 - truth)
            losses = functional.binary_cross_entropy_with_logits(
                logits, smooth, pos_weight=self.weights, reduction="none"
            )
            return losses, torch.ones_like(losses)
        losses = functional.cross_entropy(
            logits,
            target,
            weight=self.weights,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
        # As torch's mean, but 0 where no class of the batch has a weight.
        return losses, self.weights[target]
