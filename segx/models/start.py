"""How an encoder with random weights begins: each residual block as its shortcut."""

from collections.abc import Iterator
from typing import Any

from timm.models.xception_aligned import XceptionAligned
from torch import nn

from segx.models.encoder import XceptionEncoder

__all__ = ["start_as_shortcuts"]


def start_as_shortcuts(encoder: XceptionEncoder) -> None:
    """Let every residual branch add nothing at first.

    The last scale of each branch becomes 0, and learns from the first step on: a deep
    network begins as a shallow one. Trained weights replace these zeros.

    References:
        Goyal et al. 2017, arXiv 1706.02677, section 5.1.
    """
    for branch in _residual_branches(encoder.body):
        for layer in reversed([m for m in branch.modules() if not list(m.children())]):
            if isinstance(layer, nn.ReLU):
                break  # it would let no gradient through to a scale of 0
            if isinstance(layer, nn.BatchNorm2d | nn.Conv2d):
                nn.init.zeros_(layer.weight)
                break


def _residual_branches(body: Any) -> Iterator[nn.Module]:
    """What stands beside each shortcut."""
    if isinstance(body, XceptionAligned):
        yield from (block.stack for block in body.blocks if not block.no_skip)
    else:
        yield from (getattr(body, f"block{index}").rep for index in range(1, 13))
