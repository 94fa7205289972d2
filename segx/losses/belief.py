"""Logits beside the truth, brought once into the few forms that losses are made of."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from segx.errors import ModelError
from segx.labels import Labels

__all__ = ["Belief"]


@dataclass(frozen=True)
class Belief:
    """What a network believes of a batch, beside what is true.

    Args:
        labels: What the truth's numbers mean.
        logits: (B, k, H, W), float32.
        index: The truth as int64, its ignored pixels set to 0: (B, 1, H, W), or
            (B, K, H, W) for multilabel masks.
        valid: Float32, 0 on ignored pixels and 1 on others, shaped like `index`;
            None if no pixel can be ignored.
    """

    labels: Labels
    logits: Tensor
    index: Tensor
    valid: Tensor | None

    @classmethod
    def of(cls, labels: Labels, logits: Tensor, target: Tensor) -> "Belief":
        """Check a batch and bring it into the form above.

        Args:
            labels: What the target's numbers mean.
            logits: (B, k, H, W), any float type.
            target: (B, H, W) of ids, or (B, K, H, W) of 0 and 1 for multilabel.

        Raises:
            ModelError: If the shapes don't fit, or the target holds a value that is
                no class (looked at on the CPU only: a GPU would have to wait for it).
        """
        _check_shapes(labels, logits, target)
        index = target.long()
        if labels.kind != "multilabel":
            index = index.unsqueeze(1)  # (B, 1, H, W)
        valid = None
        if labels.ignore_index is not None:
            ignored = index == labels.ignore_index
            index, valid = index.masked_fill(ignored, 0), (~ignored).float()
        _check_values(labels, index)
        return cls(labels, logits.float(), index, valid)

    @cached_property
    def log_probabilities(self) -> Tensor:
        """Log-softmax of a multiclass mask's logits, (B, K, H, W)."""
        return functional.log_softmax(self.logits, dim=1)

    @cached_property
    def foreground(self) -> Tensor:
        """Probability of each foreground class, (B, F, H, W)."""
        if self.labels.kind == "multiclass":
            return self.log_probabilities[:, 1:].exp()
        return self.logits.sigmoid()

    @cached_property
    def truth(self) -> Tensor:
        """1 where a foreground class is true, 0 elsewhere and where ignored."""
        if self.labels.kind != "multiclass":
            return self.index.float()
        ids = torch.arange(1, len(self.labels.names), device=self.index.device)
        return (self.index == ids.view(-1, 1, 1)).float()  # (B, F, H, W)

    @cached_property
    def surprise(self) -> Tensor:
        """Minus the log-probability of what is true, shaped like `index`."""
        if self.labels.kind == "multiclass":
            return -self.log_probabilities.gather(1, self.index)
        return functional.softplus(self.logits * (1 - 2 * self.truth))


def _check_shapes(labels: Labels, logits: Tensor, target: Tensor) -> None:
    found = tuple(logits.shape)
    if logits.ndim != 4 or found[1] != labels.logits:
        raise ModelError(
            f"Logits of shape {found} given for a {labels.kind} mask of "
            f"{len(labels.names)} classes; allowed is (batch, {labels.logits}, rows, "
            f"cols). Build the network's head with {labels.logits} channels."
        )
    batch, planes, rows, cols = found
    multilabel = labels.kind == "multilabel"
    wanted = (batch, planes, rows, cols) if multilabel else (batch, rows, cols)
    if tuple(target.shape) != wanted:
        raise ModelError(
            f"A target of shape {tuple(target.shape)} given for logits of shape "
            f"{found}; for a {labels.kind} mask it must be {wanted}."
        )


def _check_values(labels: Labels, index: Tensor) -> None:
    if index.device.type != "cpu" or not index.numel():
        return
    highest = len(labels.names) - 1 if labels.kind == "multiclass" else 1
    least, most = (int(value) for value in index.aminmax())
    if least < 0 or most > highest:
        raise ModelError(
            f"The target holds values {least} … {most}; allowed for a {labels.kind} "
            f"mask are 0 … {highest} and the ignore index ({labels.ignore_index}). Map "
            "the mask's values to class ids first."
        )
