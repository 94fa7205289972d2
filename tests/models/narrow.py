"""Small networks for the tests, and what a backward pass left out."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from segx.models.decoders import DECODERS, Decoder
from segx.models.encoder import FeatureInfo, XceptionEncoder
from segx.models.network import Network

# DPT's default is far larger than the narrow encoder, and slow.
SMALL: dict[str, dict[str, Any]] = {
    "DPT": {"intermediate_channels": (8, 8, 8, 8), "fusion_channels": 16}
}


def decoder_on(
    features: FeatureInfo, name: str, options: Mapping[str, Any] | None = None
) -> Decoder:
    """A decoder of any kind with random weights, the same ones each time."""
    torch.manual_seed(0)
    build: Any = DECODERS[name]
    decoder: Decoder = build(features, **{**SMALL.get(name, {}), **(options or {})})
    return decoder


def narrow_network(
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    channels: int = 3,
    logits: int = 2,
    output_stride: int | None = None,
) -> Network:
    """A network on the narrow encoder, by default of the coarsest stride that works."""
    stride = output_stride or max(DECODERS[name].output_strides)
    torch.manual_seed(0)
    encoder = XceptionEncoder("xception_narrow", channels, output_stride=stride)
    decoder = decoder_on(encoder.info, name, options)
    return Network(encoder, decoder=decoder, mask_logits=logits)


def unlearnt(module: nn.Module) -> list[str]:
    """Names of parameters without a gradient, or with one that is no number."""
    return [
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all()
    ]
