"""What a module costs: parameters, and multiply-accumulate operations."""

import copy

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["count_macs", "count_parameters", "macs_of_run"]


def count_parameters(module: nn.Module) -> int:
    """Number of values that a module learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: nn.Module, size: int, *, channels: int = 3) -> int:
    """Multiply-accumulate operations of a network or encoder for one square image.

    Convolutions and matrix products are counted, on a copy without data: nothing is
    computed.

    Args:
        module: Takes images (B, channels, rows, cols).
        size: Rows and columns of the image.
        channels: Channels of the image.
    """
    shadow = copy.deepcopy(module).to("meta").eval()
    return macs_of_run(shadow, torch.empty(1, channels, size, size, device="meta"))


def macs_of_run(module: nn.Module, given: Tensor | list[Tensor]) -> int:
    """Multiply-accumulate operations of a module for what it is given."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(given)
    # A multiplication and an addition are two operations.
    return int(counter.get_total_flops()) // 2
