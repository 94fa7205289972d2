"""Losses made of losses: Dice with cross-entropy, and one loss at several scales."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segx.geometry import Extent
from segx.labels import Labels
from segx.losses.belief import Belief
from segx.losses.loss import SegmentationLoss, not_negative
from segx.losses.pixelwise import CE
from segx.losses.regionwise import Dice

__all__ = ["DeepSupervision", "DiceCE", "shrink_target"]


class DiceCE(SegmentationLoss):
    """Dice plus cross-entropy: the overlap to aim at, and every pixel to learn from.

    Args:
        labels: See `SegmentationLoss`.
        class_weights: See `SegmentationLoss`; given to both terms.
        dice_weight: Weight of the Dice term.
        ce_weight: Weight of the cross-entropy term.
        label_smoothing: See `CE`.
        smooth: See `Dice`.
        per_image: See `Dice`.
    """

    def __init__(
        self,
        labels: Labels,
        *,
        class_weights: Sequence[float] | None = None,
        dice_weight: float = 1.0,
        ce_weight: float = 1.0,
        label_smoothing: float = 0.0,
        smooth: float = 1.0,
        per_image: bool = False,
    ) -> None:
        super().__init__(labels, class_weights=class_weights)
        self.dice_weight = not_negative("dice_weight", dice_weight)
        self.ce_weight = not_negative("ce_weight", ce_weight)
        self.dice = Dice(
            labels, class_weights=class_weights, smooth=smooth, per_image=per_image
        )
        self.ce = CE(
            labels, class_weights=class_weights, label_smoothing=label_smoothing
        )

    def measure(self, belief: Belief) -> Tensor:
        """Return the loss, a float32 scalar."""
        dice, ce = self.dice.measure(belief), self.ce.measure(belief)
        return self.dice_weight * dice + self.ce_weight * ce


class DeepSupervision(nn.Module):
    """One loss over the main logits and over coarser auxiliary ones.

    The weights 1, 1/2, 1/4, … are divided by their sum, so that the number keeps its
    scale however many maps a decoder puts out.

    Args:
        loss: The loss of each map.

    References:
        Weights after Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.
    """

    def __init__(self, loss: SegmentationLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self, logits: Tensor, target: Tensor, *, auxiliary: Sequence[Tensor] = ()
    ) -> Tensor:
        """Compare all maps with the truth.

        Args:
            logits: (B, k, H, W).
            target: The truth at the same size, see `SegmentationLoss`.
            auxiliary: Maps (B, k, h, w) that cover the same image, finest first.

        Returns:
            A float32 scalar.
        """
        total: Tensor = self.loss(logits, target)
        for depth, coarse in enumerate(auxiliary, start=1):
            smaller = shrink_target(target, Extent(*coarse.shape[-2:]))
            total = total + self.loss(coarse, smaller) / 2**depth
        return total / sum(2.0**-depth for depth in range(len(auxiliary) + 1))


def shrink_target(target: Tensor, extent: Extent) -> Tensor:
    """Take the value at the centre of each coarse pixel: no new id can appear.

    Args:
        target: (..., H, W), any type.
        extent: The size wanted, in pixels.

    Returns:
        (..., rows, cols), same type.

    Examples:
        >>> shrink_target(torch.arange(6).view(1, 6), Extent(1, 2))
        tensor([[1, 4]])
    """
    rows, cols = target.shape[-2:]
    at_rows = _centres(rows, extent.rows, device=target.device)
    at_cols = _centres(cols, extent.cols, device=target.device)
    return target[..., at_rows.unsqueeze(1), at_cols]


def _centres(fine: int, coarse: int, *, device: torch.device) -> Tensor:
    """Fine index under the centre of each coarse pixel, in integers: exact."""
    return (2 * torch.arange(coarse, device=device) + 1) * fine // (2 * coarse)
