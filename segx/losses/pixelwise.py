"""Losses that are a weighted mean over pixels: cross-entropy and its focal kin."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from segx.errors import ModelError
from segx.labels import Labels
from segx.losses.belief import Belief
from segx.losses.loss import (
    TINY,
    SegmentationLoss,
    not_negative,
    over,
    positive,
    share,
    weighted_mean,
)

__all__ = ["BCE", "CE", "Focal", "Pixelwise"]


class Pixelwise(SegmentationLoss):
    """Base of the losses whose mean runs over pixels, by the weight of their truth."""

    def pixel_weights(self, belief: Belief) -> Tensor | None:
        """Weight of each pixel, shaped like `belief.index`; None if all are 1."""
        if not self.weighted:
            return belief.valid
        if self.labels.kind == "multiclass":
            weights = self.weights[belief.index]
        else:
            absent, present = self.plane_weights()
            weights = absent + (present - absent) * belief.truth
        return weights if belief.valid is None else weights * belief.valid

    def plane_weights(self) -> tuple[Tensor, Tensor]:
        """Weights of "not there" and "there" in a sigmoid plane, each (K, 1, 1)."""
        weights = self.weights.view(-1, 1, 1)
        if self.labels.kind == "binary":
            return weights[:1], weights[1:]
        return weights, weights


class CE(Pixelwise):
    """Cross-entropy: softmax for multiclass masks, sigmoid for the others.

    Args:
        labels: See `SegmentationLoss`.
        class_weights: See `SegmentationLoss`.
        label_smoothing: Share of the truth that is spread evenly over all classes,
            in [0, 1); a plane of a multilabel mask has two, "not there" and "there".
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

    def measure(self, belief: Belief) -> Tensor:
        """Return the loss, a float32 scalar."""
        weights = self.pixel_weights(belief)
        hard = weighted_mean(belief.surprise, weights)
        if not self.label_smoothing:
            return hard
        spread = self._surprise_of_all_classes(belief)
        if weights is None:
            smooth = spread.mean()
        else:  # over the sum of the *true* classes' weights, as torch does
            counted = spread if belief.valid is None else spread * belief.valid
            smooth = over(counted.sum(), weights.sum())
        return hard + self.label_smoothing * (smooth - hard)

    def _surprise_of_all_classes(self, belief: Belief) -> Tensor:
        """Mean over the classes of -weight * log p, shaped like `belief.index`."""
        if self.labels.kind == "multiclass":
            weighted = belief.log_probabilities * self.weights.view(-1, 1, 1)
            return -weighted.mean(dim=1, keepdim=True)
        absent, present = self.plane_weights()
        no = absent * functional.softplus(belief.logits)
        yes = present * functional.softplus(-belief.logits)
        return (no + yes) / 2


class BCE(CE):
    """Binary cross-entropy of sigmoid planes, for binary and multilabel masks.

    Args:
        labels: See `SegmentationLoss`; not multiclass.
        class_weights: See `SegmentationLoss`.
        label_smoothing: See `CE`.
        positive_weight: Further weight of the pixels where a class is present, > 0.

    Raises:
        ModelError: If the mask is multiclass.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        positive_weight: float = 1.0,
    ) -> None:
        if labels.kind == "multiclass":
            raise ModelError(
                "The loss BCE gives every class its own sigmoid, but a multiclass mask "
                f"of {len(labels.names)} classes allows one class a pixel. Take CE or "
                "DiceCE, or declare the mask as multilabel."
            )
        super().__init__(
            labels, class_weights=class_weights, label_smoothing=label_smoothing
        )
        self.positive_weight = positive("positive_weight", positive_weight)
        self.weighted = self.weighted or positive_weight != 1

    def plane_weights(self) -> tuple[Tensor, Tensor]:
        """Weights of "not there" and "there" in a sigmoid plane, each (K, 1, 1)."""
        absent, present = super().plane_weights()
        return absent, present * self.positive_weight


class Focal(Pixelwise):
    """Cross-entropy that counts a pixel the less, the surer the network is of it.

    Args:
        labels: See `SegmentationLoss`.
        class_weights: See `SegmentationLoss`.
        gamma: Power of the probability missed; 0 is plain cross-entropy.

    References:
        Lin et al. 2017, doi:10.1109/ICCV.2017.324.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        class_weights: Sequence[float] | None = None,
        gamma: float = 2.0,
    ) -> None:
        super().__init__(labels, class_weights=class_weights)
        self.gamma = not_negative("gamma", gamma)

    def measure(self, belief: Belief) -> Tensor:
        """Return the loss, a float32 scalar."""
        # expm1: no cancellation; clamp: at 0 a power below 1 has an infinite slope.
        missed = (-torch.expm1(-belief.surprise)).clamp_min(TINY)
        focused = belief.surprise * missed**self.gamma
        return weighted_mean(focused, self.pixel_weights(belief))
