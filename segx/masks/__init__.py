"""From logits to probabilities, and from probabilities to labels."""

from segx.masks.activation import softmax, to_probabilities
from segx.masks.decide import decide

__all__ = ["decide", "softmax", "to_probabilities"]
