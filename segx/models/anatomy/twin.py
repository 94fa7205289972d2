"""The same network with standard convolutions instead of separable ones."""

import copy

from torch import nn

from segx.models.anatomy.dataflow import Span, Step, trace_spans
from segx.models.encoder import XceptionEncoder

__all__ = ["SeparableNames", "separables", "standard_twin"]

SeparableNames = tuple[Step, tuple[Step, ...], Step]
"""The depthwise convolution, what is done between, and the pointwise one."""


def standard_twin(encoder: XceptionEncoder) -> XceptionEncoder:
    """A copy whose separable convolutions are standard ones of the same kernel.

    What stands between the depthwise and the pointwise part goes with them. The new
    convolutions have torch's random weights; all others keep theirs.

    Args:
        encoder: On any device; stays as it was.
    """
    twin = copy.deepcopy(encoder)
    for span in trace_spans(twin):
        for depthwise, between, pointwise in separables(twin, span):
            spatial = twin.get_submodule(depthwise.name)
            mixing = twin.get_submodule(pointwise.name)
            if isinstance(spatial, nn.Conv2d) and isinstance(mixing, nn.Conv2d):
                _set(twin, pointwise.name, _standard(spatial, mixing))
            for step in (depthwise, *between):
                _set(twin, step.name, nn.Identity())
    return twin


def separables(encoder: XceptionEncoder, span: Span) -> list[SeparableNames]:
    """Depthwise convolutions of a span, each with the pointwise one that follows it."""
    found = []
    steps = [*span.lead, *span.branch]
    for start, step in enumerate(steps):
        if not _is_depthwise(encoder, step):
            continue
        rest = steps[start + 1 :]
        end = next((i for i, s in enumerate(rest) if s.kind == "convolution"), None)
        between = tuple(rest[:end])
        is_plain = all(item.kind in {"norm", "relu"} for item in between)
        if end is not None and is_plain and _is_pointwise(encoder, rest[end]):
            found.append((step, between, rest[end]))
    return found


def _standard(spatial: nn.Conv2d, mixing: nn.Conv2d) -> nn.Conv2d:
    """One convolution that sees what both together saw."""
    return nn.Conv2d(
        spatial.in_channels,
        mixing.out_channels,
        spatial.kernel_size,  # type: ignore[arg-type]
        stride=spatial.stride,  # type: ignore[arg-type]
        padding=spatial.padding,  # type: ignore[arg-type]
        dilation=spatial.dilation,  # type: ignore[arg-type]
        bias=mixing.bias is not None,
        device=mixing.weight.device,
        dtype=mixing.weight.dtype,
    )


def _is_depthwise(encoder: XceptionEncoder, step: Step) -> bool:
    module = encoder.get_submodule(step.name)
    return (
        isinstance(module, nn.Conv2d)
        and 1 < module.groups == module.in_channels == module.out_channels
    )


def _is_pointwise(encoder: XceptionEncoder, step: Step) -> bool:
    module = encoder.get_submodule(step.name)
    return (
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride == (1, 1)
        and module.groups == 1
    )


def _set(encoder: XceptionEncoder, name: str, module: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(encoder.get_submodule(parent), attribute, module)
