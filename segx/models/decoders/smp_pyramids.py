"""The decoders of segmentation-models-pytorch 0.6 that see several scales at once."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from segmentation_models_pytorch.decoders.deeplabv3.decoder import (
    DeepLabV3Decoder,
    DeepLabV3PlusDecoder,
)
from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
from segmentation_models_pytorch.decoders.pan.decoder import ConvBnRelu, PANDecoder
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder
from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder
from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from torch import Tensor

from segx.errors import ModelError
from segx.models.decoders.decoder import check_dropout, check_widths
from segx.models.decoders.smp import DOUBLING, Interpolation, Norm, SmpDecoder, as_smp
from segx.models.encoder import FeatureInfo

__all__ = [
    "DPT",
    "FPN",
    "PAN",
    "DeepLabV3",
    "DeepLabV3Plus",
    "PSPNet",
    "Segformer",
    "UPerNet",
]


class FPN(SmpDecoder):
    """Feature pyramid network: a map of each scale, all brought to 1/4 and merged.

    Args:
        features: Channels and strides of the encoder's features.
        pyramid_channels: Channels of the pyramid.
        segmentation_channels: Channels of each scale's map; a multiple of 32.
        merge: Add the scales' maps, or concatenate them (``cat``).
        dropout: Share of the merged channels that are dropped.
        interpolation: How maps of the pyramid are enlarged.
    """

    output_strides: ClassVar[tuple[int, ...]] = (32,)
    reference: ClassVar[str] = "Kirillov et al. 2019, doi:10.1109/CVPR.2019.00656"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        pyramid_channels: int = 256,
        segmentation_channels: int = 128,
        merge: Literal["add", "cat"] = "add",
        dropout: float = 0.2,
        interpolation: Interpolation = "nearest",
    ) -> None:
        check_dropout("FPN", dropout)
        check_widths("FPN", (pyramid_channels,), count=1)
        if segmentation_channels < 32 or segmentation_channels % 32:
            raise ModelError(
                "FPN: segmentation_channels are normalised in 32 groups and must be a "
                f"multiple of 32, not {segmentation_channels}."
            )
        body = FPNDecoder(
            features.channels,
            pyramid_channels=pyramid_channels,
            segmentation_channels=segmentation_channels,
            dropout=dropout,
            merge_policy=merge,
            interpolation_mode=interpolation,
        )
        super().__init__(
            features, body, out_channels=body.out_channels, stride=4, multiple=DOUBLING
        )


class PSPNet(SmpDecoder):
    """Pyramid scene parsing: the deepest feature pooled in four grids.

    smp takes the third feature and leaves most of the encoder unused; here it is the
    last one. Prefer an encoder of output stride 8: the map keeps its resolution.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of the map that it returns.
        norm: How convolutions are normalised.
        dropout: Share of these channels that are dropped.
    """

    reference: ClassVar[str] = "Zhao et al. 2017, doi:10.1109/CVPR.2017.660"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: int = 512,
        norm: Norm = "batchnorm",
        dropout: float = 0.2,
    ) -> None:
        check_dropout("PSPNet", dropout)
        check_widths("PSPNet", (channels,), count=1)
        body = PSPDecoder(
            features.channels,
            use_norm=as_smp(norm),
            out_channels=channels,
            dropout=dropout,
        )
        stride = features.output_stride
        super().__init__(
            features,
            body,
            out_channels=channels,
            stride=stride,
            multiple=stride,
            least=2 * stride if norm == "instancenorm" else 1,
        )


class DeepLabV3(SmpDecoder):
    """DeepLabv3: the deepest feature seen at several dilations.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of the map that it returns.
        atrous_rates: Dilations of the three 3x3 convolutions.
        separable: Depthwise-separable instead of standard convolutions.
        dropout: Share of the joined values that are dropped.
    """

    output_strides: ClassVar[tuple[int, ...]] = (8, 16)
    reference: ClassVar[str] = "Chen et al. 2017, arXiv:1706.05587"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: int = 256,
        atrous_rates: tuple[int, int, int] = (12, 24, 36),
        separable: bool = False,
        dropout: float = 0.5,
    ) -> None:
        check_dropout("DeepLabV3", dropout)
        check_widths("DeepLabV3", (channels,), count=1)
        body = DeepLabV3Decoder(
            features.channels[-1],
            channels,
            atrous_rates=atrous_rates,
            aspp_separable=separable,
            aspp_dropout=dropout,
        )
        stride = features.output_stride
        super().__init__(
            features,
            body,
            out_channels=channels,
            stride=stride,
            multiple=stride,
            needs_batch=True,
        )


class DeepLabV3Plus(SmpDecoder):
    """DeepLabv3+: DeepLabv3 joined with the feature of stride 4.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of the map that it returns.
        atrous_rates: Dilations of the three 3x3 convolutions.
        separable: Depthwise-separable instead of standard convolutions.
        dropout: Share of the joined values that are dropped.
    """

    output_strides: ClassVar[tuple[int, ...]] = (8, 16)
    reference: ClassVar[str] = "Chen et al. 2018, doi:10.1007/978-3-030-01234-2_49"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: int = 256,
        atrous_rates: tuple[int, int, int] = (12, 24, 36),
        separable: bool = True,
        dropout: float = 0.5,
    ) -> None:
        check_dropout("DeepLabV3Plus", dropout)
        check_widths("DeepLabV3Plus", (channels,), count=1)
        body = DeepLabV3PlusDecoder(
            features.channels,
            encoder_depth=5,
            out_channels=channels,
            atrous_rates=atrous_rates,
            output_stride=features.output_stride,
            aspp_separable=separable,
            aspp_dropout=dropout,
        )
        super().__init__(
            features,
            body,
            out_channels=channels,
            stride=4,
            multiple=features.output_stride,
            needs_batch=True,
        )


class PAN(SmpDecoder):
    """Pyramid attention network: an attention pyramid at the bottom, gates above.

    Its pyramid halves the deepest feature three times: images are padded to at least
    8 of its pixels, 128 px at output stride 16.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of the map that it returns.
        interpolation: How maps are enlarged.
    """

    output_strides: ClassVar[tuple[int, ...]] = (16, 32)
    reference: ClassVar[str] = "Li et al. 2018, arXiv:1805.10180"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: int = 32,
        interpolation: Interpolation = "bilinear",
    ) -> None:
        check_widths("PAN", (channels,), count=1)
        body = PANDecoder(
            features.channels,
            encoder_depth=5,
            decoder_channels=channels,
            interpolation_mode=interpolation,
        )
        for block in body.modules():
            if isinstance(block, ConvBnRelu):
                # The normalisation that follows takes it away again: it never learns.
                block.conv.register_parameter("bias", None)
        super().__init__(
            features,
            body,
            out_channels=channels,
            stride=4,
            multiple=features.output_stride,
            least=8 * features.output_stride,
            needs_batch=True,
        )


class UPerNet(SmpDecoder):
    """Unified perceptual parsing: a pooled pyramid under a feature pyramid.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of the map that it returns.
        norm: How convolutions are normalised.
    """

    reference: ClassVar[str] = "Xiao et al. 2018, doi:10.1007/978-3-030-01228-1_26"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: int = 256,
        norm: Literal["batchnorm", "identity"] = "batchnorm",
    ) -> None:
        check_widths("UPerNet", (channels,), count=1)
        body = UPerNetDecoder(
            features.channels, decoder_channels=channels, use_norm=norm
        )
        super().__init__(
            features,
            body,
            out_channels=channels,
            stride=4,
            multiple=features.output_stride,
            needs_batch=norm == "batchnorm",
        )


class Segformer(SmpDecoder):
    """SegFormer's decoder: one linear layer a scale, joined at 1/4.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of each scale, and of the map that it returns.
    """

    reference: ClassVar[str] = "Xie et al. 2021, arXiv:2105.15203"

    def __init__(self, features: FeatureInfo, *, channels: int = 256) -> None:
        check_widths("Segformer", (channels,), count=1)
        body = SegformerDecoder(features.channels, segmentation_channels=channels)
        super().__init__(
            features,
            body,
            out_channels=channels,
            stride=4,
            multiple=features.output_stride,
        )


class DPT(SmpDecoder):
    """Dense prediction transformer: residual fusion of the last four features.

    Args:
        features: Channels and strides of the encoder's features.
        intermediate_channels: Channels that each feature is first projected to, from
            the finest down.
        fusion_channels: Channels of the map that it returns.
        readout: ``cat`` passes each feature through a layer of its own first.
    """

    reference: ClassVar[str] = "Ranftl et al. 2021, doi:10.1109/ICCV48922.2021.01196"

    def __init__(
        self,
        features: FeatureInfo,
        *,
        intermediate_channels: tuple[int, int, int, int] = (256, 512, 1024, 1024),
        fusion_channels: int = 256,
        readout: Literal["ignore", "cat"] = "ignore",
    ) -> None:
        check_widths("DPT", intermediate_channels, count=4)
        check_widths("DPT", (fusion_channels,), count=1)
        body = DPTDecoder(
            encoder_out_channels=features.channels[2:],
            encoder_output_strides=features.strides[2:],
            encoder_has_prefix_tokens=False,
            readout=readout,
            intermediate_channels=intermediate_channels,
            fusion_channels=fusion_channels,
        )
        super().__init__(
            features, body, out_channels=fusion_channels, stride=2, multiple=DOUBLING
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Decode, without prefix tokens; see `Decoder.forward`."""
        return [self.body(list(features[2:]), [None] * 4)]
