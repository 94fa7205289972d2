"""The decoders by name, and which of them can stand on which encoder."""

from collections.abc import Mapping

from segx.errors import ModelError
from segx.models.decoders.decoder import Decoder
from segx.models.decoders.smp import Linknet, MAnet, SmpUnet, UnetPlusPlus
from segx.models.decoders.smp_pyramids import (
    DPT,
    FPN,
    PAN,
    DeepLabV3,
    DeepLabV3Plus,
    PSPNet,
    Segformer,
    UPerNet,
)
from segx.models.decoders.unet import UNet
from segx.models.encoder import ENCODERS, can_dilate, check_encoder

__all__ = ["DECODERS", "Decoder", "check_pair"]

DECODERS: Mapping[str, type[Decoder]] = {
    decoder.__name__: decoder
    for decoder in (
        UNet,
        SmpUnet,
        UnetPlusPlus,
        MAnet,
        Linknet,
        FPN,
        PSPNet,
        DeepLabV3,
        DeepLabV3Plus,
        PAN,
        UPerNet,
        Segformer,
        DPT,
    )
}
"""All decoders; `UNet` is ours and the default, `SmpUnet` is smp's."""


def check_pair(encoder: str, output_stride: int, decoder: str | type[Decoder]) -> None:
    """Refuse a decoder that can't stand on an encoder, before either is built.

    Args:
        encoder: Name of an encoder.
        output_stride: The output stride that it shall have.
        decoder: A name in `DECODERS`, or the class itself.

    Raises:
        ModelError: If either does not exist, or they don't fit; an encoder and an
            output stride that would work are named.

    Examples:
        >>> check_pair("legacy_xception", 32, "FPN")
        >>> check_pair("legacy_xception", 32, "DeepLabV3Plus")
        Traceback (most recent call last):
        segx.errors.ModelError: DeepLabV3Plus can't stand on legacy_xception at output
        stride 32: it needs 8 or 16. Take encoder xception41 with output_stride 16.
    """
    check_encoder(encoder, output_stride)
    cls = decoder if isinstance(decoder, type) else _named(decoder)
    allowed = cls.output_strides
    if output_stride in allowed:
        return
    stride = max(allowed)
    able = can_dilate(encoder) or stride == 32
    instead = encoder if able else next(name for name in ENCODERS if can_dilate(name))
    raise ModelError(
        f"{cls.__name__} can't stand on {encoder} at output stride {output_stride}: it "
        f"needs {' or '.join(map(str, allowed))}. Take encoder {instead} with "
        f"output_stride {stride}."
    )


def _named(name: str) -> type[Decoder]:
    if name not in DECODERS:
        raise ModelError(
            f"There is no decoder {name!r}. Take one of {', '.join(DECODERS)}."
        )
    return DECODERS[name]
