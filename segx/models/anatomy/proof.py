"""Proof that a block adds its skip: with its branch at zero, the skip is left."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from segx.models.anatomy.dataflow import Span, Step
from segx.models.encoder import XceptionEncoder

__all__ = ["proved_skips"]

_SIDE = 64


def proved_skips(encoder: XceptionEncoder, spans: Sequence[Span]) -> list[bool]:
    """Run an encoder with every branch at zero, and see what its blocks give.

    Args:
        encoder: With data; stays as it was.
        spans: Its blocks.

    Returns:
        For each block, whether it gave exactly its skip: what the skip's last module
        made, or the block's input where the skip is the identity. False where there is
        no skip.
    """
    probe = copy.deepcopy(encoder).eval()
    inputs: dict[int, Tensor] = {}
    skips: dict[int, Tensor] = {}
    for index, span in enumerate(spans):
        first = _module(probe, span.lead + span.branch)
        first.register_forward_pre_hook(_keeper_of_input(inputs, index))
        if span.skip is None:
            continue
        _module(probe, span.branch[::-1]).register_forward_hook(_zeros)
        # What a lead made of the input is skipped in its place.
        if any(step.name for step in (*span.lead, *span.skip)):
            last = _module(probe, (*span.lead, *span.skip)[::-1])
            last.register_forward_hook(_keeper_of_output(skips, index))
    generator = torch.Generator().manual_seed(0)
    shape = (1, encoder.in_channels, _SIDE, _SIDE)
    example = next(encoder.parameters())
    image = torch.randn(shape, generator=generator).to(example)
    with torch.no_grad():
        inputs[len(spans)] = probe(image)[-1]
    return [
        span.skip is not None
        and _is_left(skips.get(index, inputs[index]), inputs[index + 1])
        for index, span in enumerate(spans)
    ]


def _is_left(skip: Tensor, output: Tensor) -> bool:
    """Whether the output is the skip, and more than zeros."""
    return torch.equal(skip, output) and bool(skip.any())


def _zeros(_module: nn.Module, _given: object, output: Tensor) -> Tensor:
    return torch.zeros_like(output)


# Both keep copies: the next module may work in place.


def _keeper_of_input(
    kept: dict[int, Tensor], index: int
) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def keep(_module: nn.Module, given: tuple[Tensor, ...]) -> None:
        kept[index] = given[0].clone()

    return keep


def _keeper_of_output(
    kept: dict[int, Tensor], index: int
) -> Callable[[nn.Module, object, Tensor], None]:
    def keep(_module: nn.Module, _given: object, output: Tensor) -> None:
        kept[index] = output.clone()

    return keep


def _module(probe: XceptionEncoder, steps: Sequence[Step]) -> nn.Module:
    """The module of the first step that has one."""
    return probe.get_submodule(next(step.name for step in steps if step.name))
