"""From logits to probabilities, from probabilities to labels, and those made clean."""

from segx.masks.activation import softmax, to_probabilities
from segx.masks.cleaning import Cleaning, clean
from segx.masks.decide import decide

__all__ = ["Cleaning", "clean", "decide", "softmax", "to_probabilities"]
