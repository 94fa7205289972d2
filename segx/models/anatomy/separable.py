"""Depthwise convolutions, each with the pointwise one that mixes what it gives."""

from dataclasses import dataclass

from torch import nn

from segx.models.anatomy.dataflow import Span, Step
from segx.models.encoder import XceptionEncoder

__all__ = ["Separable", "separables"]


@dataclass(frozen=True, slots=True)
class Separable:
    """A separable convolution: its two parts, and what is done between them."""

    depthwise: Step
    between: tuple[Step, ...]
    pointwise: Step


def separables(encoder: XceptionEncoder, span: Span) -> list[Separable]:
    """All separable convolutions of a span, the skip aside.

    Between the parts may stand what treats each channel alone: a norm, a ReLU.
    """
    found = []
    steps = [*span.lead, *span.branch]
    for start, step in enumerate(steps):
        if not _is_depthwise(encoder.get_submodule(step.name)):
            continue
        rest = steps[start + 1 :]
        end = next((i for i, s in enumerate(rest) if s.kind not in {"norm", "relu"}), 0)
        if rest and _is_pointwise(encoder.get_submodule(rest[end].name)):
            found.append(Separable(step, tuple(rest[:end]), rest[end]))
    return found


def _is_depthwise(module: nn.Module) -> bool:
    """Whether each channel has one filter of its own: a depth multiplier of 1."""
    return (
        isinstance(module, nn.Conv2d)
        and 1 < module.groups == module.in_channels == module.out_channels
    )


def _is_pointwise(module: nn.Module) -> bool:
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == module.stride == (1, 1)
        and module.groups == 1
    )
