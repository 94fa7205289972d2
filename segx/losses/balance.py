"""Two losses made one: how much the masks count beside the classes."""

import torch
from torch import Tensor, nn

from segx.losses.loss import not_negative

__all__ = ["TaskBalance"]


class TaskBalance(nn.Module):
    """Sums the loss of masks and that of classes, by fixed or by learned weights.

    Learned weights divide each loss by the variance that it is left with: exp(-s) ·
    loss + s / 2, where s, the logarithm of that variance, is learned with the network.
    Where s has settled, a loss of half the size counts twice as much.

    Args:
        mask_weight: Weight of the masks' loss, at least 0.
        class_weight: Weight of the classes' loss, at least 0.
        learned: Learn further weights, beginning at 1.

    Raises:
        ConfigError: If a weight is negative or not finite.

    References:
        Kendall et al. 2018, doi:10.1109/CVPR.2018.00781, arXiv 1705.07115.
    """

    def __init__(
        self,
        *,
        mask_weight: float = 1.0,
        class_weight: float = 1.0,
        learned: bool = False,
    ) -> None:
        super().__init__()
        self.mask_weight = not_negative("mask_weight", mask_weight)
        self.class_weight = not_negative("class_weight", class_weight)
        self.log_variances = nn.Parameter(torch.zeros(2)) if learned else None

    def forward(self, masks: Tensor | None, classes: Tensor | None) -> Tensor:
        """Add up the losses of a batch.

        Args:
            masks: Loss of its masks, a scalar; None if no image of the batch has one.
            classes: Loss of its classes, likewise.

        Returns:
            A float32 scalar.
        """
        losses = (masks, classes)
        weights = (self.mask_weight, self.class_weight)
        total = torch.zeros((), device=_device(losses))
        for task, (loss, weight) in enumerate(zip(losses, weights, strict=True)):
            if loss is None:
                continue
            if self.log_variances is None:
                total = total + weight * loss
            else:
                variance = self.log_variances[task]
                total = total + weight * torch.exp(-variance) * loss + variance / 2
        return total


def _device(losses: tuple[Tensor | None, ...]) -> torch.device | None:
    return next((loss.device for loss in losses if loss is not None), None)
