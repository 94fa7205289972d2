"""Losses of whole regions: soft Tversky, Dice, and the Lovász extension of Jaccard."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segx.labels import Labels
from segx.losses.belief import Belief
from segx.losses.loss import SegmentationLoss, not_negative, positive, weighted_mean

__all__ = ["Dice", "Lovasz", "Regionwise", "Tversky"]


class Regionwise(SegmentationLoss):
    """Base of the losses whose mean runs over foreground classes, by their weight.

    Background is left out: it is most of an image, and its overlap hides the rest.
    """

    def mean_over_classes(
        self, losses: Tensor, *, counted: Tensor | None = None
    ) -> Tensor:
        """Weighted mean of losses (F,) or (B, F), of those `counted` if given."""
        if not self.weighted and counted is None:
            return losses.mean()
        weights = self.weights[-len(self.labels.foreground) :].expand_as(losses)
        return weighted_mean(losses, weights if counted is None else weights * counted)


class Tversky(Regionwise):
    """One minus the soft Tversky index of each foreground class, averaged.

    The sums run over the whole batch unless `per_image`: most crops lack some class,
    and the index of one that does is all or nothing by a single pixel. Over a batch
    the gradient of a pixel doesn't depend on which crop it happened to fall into.

    Args:
        labels: See `SegmentationLoss`.
        class_weights: See `SegmentationLoss`; the background's is not used.
        alpha: Weight of a false positive pixel.
        beta: Weight of a false negative pixel; more than `alpha` favours sensitivity.
        smooth: Pixels added to numerator and denominator, > 0: a class that is
            nowhere, and predicted nowhere, costs nothing.
        per_image: Take the sums over each image and average over the images too.

    References:
        Salehi et al. 2017, doi:10.1007/978-3-319-67389-9_44; sums over the batch
        after Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        class_weights: Sequence[float] | None = None,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        per_image: bool = False,
    ) -> None:
        super().__init__(labels, class_weights=class_weights)
        self.alpha = not_negative("alpha", alpha)
        self.beta = not_negative("beta", beta)
        self.smooth = positive("smooth", smooth)
        self.per_image = per_image

    def measure(self, belief: Belief) -> Tensor:
        """Return the loss, a float32 scalar."""
        axes = (2, 3) if self.per_image else (0, 2, 3)
        claimed, truth = belief.foreground, belief.truth  # (B, F, H, W)
        hits = (claimed * truth).sum(axes)
        if belief.valid is not None:
            claimed = claimed * belief.valid
        false_positives = claimed.sum(axes) - hits
        false_negatives = truth.sum(axes) - hits
        errors = self.alpha * false_positives + self.beta * false_negatives
        # One minus the index, written without the cancellation.
        return self.mean_over_classes(errors / (hits + errors + self.smooth))


class Dice(Tversky):
    """One minus the soft Dice of each foreground class, averaged; see `Tversky`.

    Args:
        labels: See `SegmentationLoss`.
        class_weights: See `SegmentationLoss`; the background's is not used.
        smooth: Pixels added to the hits, > 0.
        per_image: Take the sums over each image and average over the images too.

    References:
        Milletari et al. 2016, doi:10.1109/3DV.2016.79.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        class_weights: Sequence[float] | None = None,
        smooth: float = 1.0,
        per_image: bool = False,
    ) -> None:
        super().__init__(
            labels,
            class_weights=class_weights,
            alpha=0.5,
            beta=0.5,
            smooth=smooth,
            per_image=per_image,
        )


class Lovasz(Regionwise):
    """Lovász extension of the Jaccard loss of each foreground class in the batch.

    Classes that are not in the batch are left out. Every class sorts all its pixels:
    about ten times the cost of Dice.

    References:
        Berman et al. 2018, doi:10.1109/CVPR.2018.00464.
    """

    def measure(self, belief: Belief) -> Tensor:
        """Return the loss, a float32 scalar."""
        errors = (belief.truth - belief.foreground).abs()  # (B, F, H, W)
        if belief.valid is not None:
            errors = errors * belief.valid
        errors, order = _by_class(errors).sort(dim=1, descending=True)  # (F, N)
        truth = _by_class(belief.truth).gather(1, order)
        present = truth.sum(1, keepdim=True)  # (F, 1)
        kept = present - truth.cumsum(1)
        union = present + (1 - truth).cumsum(1)
        jaccard = 1 - kept / union
        steps = jaccard.diff(dim=1, prepend=torch.zeros_like(present))
        losses = (errors * steps).sum(1)  # (F,)
        return self.mean_over_classes(losses, counted=(present[:, 0] > 0).float())


def _by_class(planes: Tensor) -> Tensor:
    """(B, F, H, W) → (F, B * H * W)."""
    return planes.transpose(0, 1).flatten(1)
