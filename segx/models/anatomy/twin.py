"""The same network with standard convolutions instead of separable ones."""

import copy

from torch import nn

from segx.models.anatomy.dataflow import trace_spans
from segx.models.anatomy.separable import separables
from segx.models.encoder import XceptionEncoder

__all__ = ["standard_twin"]


def standard_twin(encoder: XceptionEncoder) -> XceptionEncoder:
    """A copy whose separable convolutions are standard ones of the same kernel.

    What stands between the depthwise and the pointwise part goes with them. The new
    convolutions have torch's random weights; all others keep theirs.

    Args:
        encoder: On any device; stays as it was.
    """
    twin = copy.deepcopy(encoder)
    for span in trace_spans(twin):
        for found in separables(twin, span):
            spatial = twin.get_submodule(found.depthwise.name)
            mixing = twin.get_submodule(found.pointwise.name)
            if isinstance(spatial, nn.Conv2d) and isinstance(mixing, nn.Conv2d):
                _set(twin, found.pointwise.name, _standard(spatial, mixing))
            for step in (found.depthwise, *found.between):
                _set(twin, step.name, nn.Identity())
    return twin


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


def _set(encoder: XceptionEncoder, name: str, module: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(encoder.get_submodule(parent), attribute, module)
