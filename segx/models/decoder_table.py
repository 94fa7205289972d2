"""The decoders: what each can be told and what it costs on an encoder."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from segx.errors import ModelError
from segx.models.cost import count_parameters, macs_of_run
from segx.models.decoders import DECODERS, Decoder
from segx.models.encoder import ENCODERS, FeatureInfo, XceptionEncoder, can_dilate

__all__ = [
    "DecoderRow",
    "Option",
    "decoder_table",
    "describe_decoder",
]

_LEAST_SIDE = 128  # px; some decoders pool the deepest map to a grid


@dataclass(frozen=True)
class Option:
    """One option of a decoder, as a config may set it."""

    name: str
    allowed: str
    """Its type, or the values that it may have."""
    default: Any
    meaning: str


@dataclass(frozen=True)
class DecoderRow:
    """A decoder: what it can be told and what it costs on an encoder."""

    name: str
    summary: str
    options: tuple[Option, ...]
    parameters: int
    macs: int
    """Multiply-accumulate operations for one image of the size asked for."""
    output_strides: tuple[int, ...]
    """Output strides of the encoders that it can stand on."""
    source: str
    reference: str
    encoder: str
    output_stride: int
    """Encoder and output stride that it was measured on."""


def decoder_table(encoder: str = "xception41", *, size: int = 512) -> list[DecoderRow]:
    """Describe every decoder, each on an output stride that it can stand on.

    A decoder that can't stand on `encoder` at all is measured on the nearest one that
    it can stand on; its row says so.

    Args:
        encoder: Name of the encoder to measure on.
        size: Rows and columns of the image.
    """
    return [describe_decoder(name, encoder=encoder, size=size) for name in DECODERS]


def describe_decoder(
    name: str, *, encoder: str = "xception41", size: int = 512
) -> DecoderRow:
    """Describe one decoder with its default options; see `decoder_table`.

    Raises:
        ModelError: If there is no decoder, or no encoder, of that name, or the image is
            too small for some decoder.
    """
    if size < _LEAST_SIDE:
        raise ModelError(
            f"An image of {size}x{size} px is given; all decoders can be compared from "
            f"{_LEAST_SIDE} px on."
        )
    if name not in DECODERS:
        raise ModelError(
            f"There is no decoder {name!r}. Take one of {', '.join(DECODERS)}."
        )
    cls = DECODERS[name]
    output_stride = max(cls.output_strides)
    if output_stride < 32 and encoder in ENCODERS and not can_dilate(encoder):
        encoder = next(item for item in ENCODERS if can_dilate(item))
    info, features = _shadow_features(encoder, output_stride, size)
    with torch.device("meta"):
        build = cast("Callable[[FeatureInfo], Decoder]", cls)
        decoder = build(info).eval()
    return DecoderRow(
        name=name,
        summary=(inspect.getdoc(cls) or "").partition("\n")[0],
        options=tuple(_options(cls)),
        parameters=count_parameters(decoder),
        macs=macs_of_run(decoder, features),
        output_strides=cls.output_strides,
        source=cls.source,
        reference=cls.reference,
        encoder=encoder,
        output_stride=output_stride,
    )


@lru_cache(maxsize=8)
def _shadow_features(
    name: str, output_stride: int, size: int
) -> tuple[FeatureInfo, list[Tensor]]:
    """An encoder's features without data."""
    with torch.device("meta"), torch.no_grad():
        encoder = XceptionEncoder(name, 3, output_stride=output_stride).eval()
        return encoder.info, encoder(torch.empty(1, 3, size, size))


def _options(cls: type[Decoder]) -> Iterator[Option]:
    """The options of a decoder, from its constructor and its docstring."""
    hints = get_type_hints(cls.__init__)
    meanings = _meanings(inspect.getdoc(cls) or "")
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            yield Option(
                parameter.name,
                _allowed(hints[parameter.name]),
                parameter.default,
                meanings.get(parameter.name, ""),
            )


def _meanings(docstring: str) -> dict[str, str]:
    """What a Google docstring's ``Args:`` says of each argument, on one line."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", docstring, flags=re.MULTILINE)
    entries = re.findall(
        r"^    (\w+): ((?:.+\n?)(?:        .+\n?)*)",
        section[1] if section else "",
        flags=re.MULTILINE,
    )
    return {name: " ".join(text.split()) for name, text in entries}


def _allowed(hint: Any) -> str:
    """A type as a config's author reads it: ``nearest | bilinear``, ``float``."""
    if get_origin(hint) is Literal:
        return " | ".join(map(str, get_args(hint)))
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        count = "list" if Ellipsis in inner else f"list of {len(inner)}"
        return f"{count} of {_allowed(inner[0])}"
    if get_args(hint):
        return " | ".join(_allowed(item) for item in get_args(hint))
    return "null" if hint is type(None) else str(hint.__name__)
