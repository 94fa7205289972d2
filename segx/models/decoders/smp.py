"""The U-shaped decoders of segmentation-models-pytorch 0.6, and their adapter.

Its decoder classes are semi-internal: only this file and ``smp_pyramids.py`` know them.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from segmentation_models_pytorch.base.initialization import initialize_decoder
from segmentation_models_pytorch.decoders.linknet.decoder import LinknetDecoder
from segmentation_models_pytorch.decoders.manet.decoder import MAnetDecoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from segmentation_models_pytorch.decoders.unetplusplus.decoder import (
    UnetPlusPlusDecoder,
)
from torch import Tensor

from segx.models.decoders.decoder import Decoder, check_widths
from segx.models.encoder import FeatureInfo

__all__ = [
    "DOUBLING",
    "Interpolation",
    "Linknet",
    "MAnet",
    "Norm",
    "SmpDecoder",
    "SmpUnet",
    "UnetPlusPlus",
    "as_smp",
]

Norm = Literal["batchnorm", "instancenorm", "identity"]
Interpolation = Literal["nearest", "bilinear"]
FIVE_WIDTHS = (256, 128, 64, 32, 16)

DOUBLING = 32
"""Blocks that double the map need a deepest feature of exactly 1/32 of the image."""


class SmpDecoder(Decoder):
    """A decoder of smp, with smp's way to initialise it.

    Args:
        features: Channels and strides of the encoder's features.
        body: smp's decoder; takes the list of features, returns the map.
        out_channels: See `Decoder`, as the others.
        stride: Input pixels for one pixel of the map.
        multiple: What the input's sides must be a multiple of.
        least: Least side of the input.
        needs_batch: Whether it can't be trained on one image.
    """

    source: ClassVar[str] = "segmentation-models-pytorch"

    def __init__(
        self,
        features: FeatureInfo,
        body: Any,
        *,
        out_channels: int,
        stride: int,
        multiple: int,
        least: int = 1,
        needs_batch: bool = False,
    ) -> None:
        super().__init__(
            features,
            out_channels=out_channels,
            stride=stride,
            multiple=multiple,
            least=least,
            needs_batch=needs_batch,
        )
        initialize_decoder(body)
        self.body = body

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Decode; see `Decoder.forward`."""
        return [self.body(list(features))]


class SmpUnet(SmpDecoder):
    """smp's U-Net decoder; ours, `UNet`, does the same for less.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of each stage, from the deepest up.
        norm: How convolutions are normalised.
        attention: ``scse`` weighs channels and pixels around each stage.
        interpolation: How maps are enlarged.
    """

    reference: ClassVar[str] = (
        "Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28"
    )

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: tuple[int, ...] = FIVE_WIDTHS,
        norm: Norm = "batchnorm",
        attention: Literal["scse"] | None = None,
        interpolation: Interpolation = "nearest",
    ) -> None:
        check_widths("SmpUnet", channels, count=5)
        body = UnetDecoder(
            features.channels,
            channels,
            use_norm=as_smp(norm),
            attention_type=attention,
            interpolation_mode=interpolation,
        )
        super().__init__(
            features, body, out_channels=channels[-1], stride=1, multiple=DOUBLING
        )


class UnetPlusPlus(SmpDecoder):
    """U-Net++: dense stages between every pair of scales.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of each stage, from the deepest up.
        norm: How convolutions are normalised.
        attention: ``scse`` weighs channels and pixels around each stage.
        interpolation: How maps are enlarged.
    """

    output_strides: ClassVar[tuple[int, ...]] = (32,)
    reference: ClassVar[str] = "Zhou et al. 2018, doi:10.1007/978-3-030-00889-5_1"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: tuple[int, ...] = FIVE_WIDTHS,
        norm: Norm = "batchnorm",
        attention: Literal["scse"] | None = None,
        interpolation: Interpolation = "nearest",
    ) -> None:
        check_widths("UnetPlusPlus", channels, count=5)
        body = UnetPlusPlusDecoder(
            features.channels,
            channels,
            use_norm=as_smp(norm),
            attention_type=attention,
            interpolation_mode=interpolation,
        )
        super().__init__(
            features, body, out_channels=channels[-1], stride=1, multiple=DOUBLING
        )


class MAnet(SmpDecoder):
    """MA-Net: attention over positions at the bottom, over channels in each stage.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of each stage, from the deepest up.
        pab_channels: Channels of the position attention.
        reduction: How much the channel attention squeezes.
        norm: How convolutions are normalised.
        interpolation: How maps are enlarged.
    """

    output_strides: ClassVar[tuple[int, ...]] = (32,)
    reference: ClassVar[str] = "Fan et al. 2020, doi:10.1109/ACCESS.2020.3025372"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: tuple[int, ...] = FIVE_WIDTHS,
        pab_channels: int = 64,
        reduction: int = 16,
        norm: Norm = "batchnorm",
        interpolation: Interpolation = "nearest",
    ) -> None:
        check_widths("MAnet", channels, count=5)
        body = MAnetDecoder(
            features.channels,
            channels,
            reduction=reduction,
            use_norm=as_smp(norm),
            pab_channels=pab_channels,
            interpolation_mode=interpolation,
        )
        super().__init__(
            features,
            body,
            out_channels=channels[-1],
            stride=1,
            multiple=DOUBLING,
            least=_least(norm),
        )


class Linknet(SmpDecoder):
    """LinkNet: transposed convolutions; features are added, not joined.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of the map that it returns.
        norm: How convolutions are normalised.
    """

    output_strides: ClassVar[tuple[int, ...]] = (32,)
    reference: ClassVar[str] = (
        "Chaurasia & Culurciello 2017, doi:10.1109/VCIP.2017.8305148"
    )

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: int = 32,
        norm: Norm = "batchnorm",
    ) -> None:
        check_widths("Linknet", (channels,), count=1)
        body = LinknetDecoder(
            features.channels,
            prefinal_channels=channels,
            n_blocks=5,
            use_norm=as_smp(norm),
        )
        super().__init__(
            features,
            body,
            out_channels=channels,
            stride=1,
            multiple=DOUBLING,
            least=_least(norm),
        )


def as_smp(norm: Norm) -> str | dict[str, str | bool]:
    """A normalisation in smp's words; its instances lack the weights it initialises."""
    return {"type": norm, "affine": True} if norm == "instancenorm" else norm


def _least(norm: Norm) -> int:
    """Instances of one pixel can't be normalised: the deepest feature needs two."""
    return 2 * DOUBLING if norm == "instancenorm" else 1
