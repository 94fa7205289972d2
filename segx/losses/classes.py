"""Losses of a whole image's class."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from segx.errors import ModelError
from segx.losses.loss import TINY, check_weights, share

__all__ = ["ClassCE", "ClassificationLoss"]


class ClassificationLoss(nn.Module, ABC):
    """Base of the losses of image classes: checks the tensors, then asks `measure`.

    Args:
        classes: Number of classes.
        class_weights: One weight a class, at least 0; None weighs all alike.

    Raises:
        ConfigError: If the weights are of another number, negative or all 0.
    """

    weights: Tensor

    def __init__(
        self, classes: int, *, class_weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        weights = check_weights(class_weights, names=[str(i) for i in range(classes)])
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare logits with the true classes.

        Args:
            logits: (B, K), any float type.
            target: (B,) class ids.

        Returns:
            A float32 scalar.

        Raises:
            ModelError: If the shapes don't fit.
        """
        wanted = (logits.shape[0], len(self.weights))
        if logits.shape != wanted or target.shape != wanted[:1]:
            raise ModelError(
                f"Logits of shape {tuple(logits.shape)} and a target of shape "
                f"{tuple(target.shape)} given; allowed are (batch, {wanted[1]}) and "
                "(batch,): one logit a class, one class an image."
            )
        return self.measure(logits.float(), target.long())

    @abstractmethod
    def measure(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of float32 logits (B, K) and int64 ids (B,)."""


class ClassCE(ClassificationLoss):
    """Softmax cross-entropy, averaged by the weight of each image's true class.

    Args:
        classes: Number of classes.
        class_weights: One weight a class, at least 0; None weighs all alike.
        label_smoothing: Share of the truth that is spread evenly over all classes,
            in [0, 1).
    """

    def __init__(
        self,
        classes: int,
        *,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(classes, class_weights=class_weights)
        self.label_smoothing = share("label_smoothing", label_smoothing)

    def measure(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of float32 logits (B, K) and int64 ids (B,)."""
        losses = functional.cross_entropy(
            logits,
            target,
            weight=self.weights,
            label_smoothing=self.label_smoothing,
            reduction="none",
        )
        # As torch's mean, but 0 where no class of the batch has a weight.
        return losses.sum() / self.weights[target].sum().clamp_min(TINY)
