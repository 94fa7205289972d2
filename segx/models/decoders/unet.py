"""Our U-Net decoder: narrow before wide, so that it costs a fraction of the encoder."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segx.models.decoders.decoder import Decoder, check_dropout, check_widths
from segx.models.encoder import FeatureInfo

__all__ = ["UNet"]


class UNet(Decoder):
    """A U-Net decoder up to full resolution.

    Each of five stages enlarges the map to the size of the next finer feature, joins
    both and convolves twice. Most of a classic decoder's work is the first of these
    convolutions, on all channels of both. Here 1x1 convolutions first narrow both to
    the stage's own channels, the coarse map before it is enlarged. The last stage joins
    the image itself: thin structures need its pixels.

    ``UNet(features, reduce=False, image_skip=False)`` is the classic decoder.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of each stage, from the deepest up.
        reduce: Narrow maps of more channels than the stage has before they are joined.
        image_skip: Join the image in the last stage.
        separable: Depthwise-separable instead of standard 3x3 convolutions.
        attention: ``scse`` weighs the channels and pixels of each stage's map.
        dropout: Share of the channels that are dropped after each stage.
        deep_supervision: In training, return the maps of strides 2, 4 and 8 too.

    Raises:
        ModelError: If `channels` are not five, or `dropout` is not in [0, 1).

    References:
        Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28.

    Examples:
        >>> from segx.models.encoder import XceptionEncoder
        >>> encoder = XceptionEncoder("xception_narrow", 3)
        >>> decoder = UNet(encoder.info, separable=True)
        >>> [tuple(map.shape) for map in decoder(encoder(torch.zeros(2, 3, 33, 47)))]
        [(2, 16, 33, 47)]
    """

    reference: ClassVar[str] = (
        "Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28"
    )

    def __init__(
        self,
        features: FeatureInfo,
        *,
        channels: tuple[int, ...] = (256, 128, 64, 32, 16),
        reduce: bool = True,
        image_skip: bool = True,
        separable: bool = False,
        attention: Literal["scse"] | None = None,
        dropout: float = 0.0,
        deep_supervision: bool = False,
    ) -> None:
        check_widths("UNet", channels, count=len(features.channels) - 1)
        check_dropout("UNet", dropout)
        super().__init__(
            features,
            out_channels=channels[-1],
            stride=1,
            aux_channels=channels[-2:0:-1] if deep_supervision else (),
        )
        *skips, deepest = features.channels
        skips[0] = skips[0] if image_skip else 0
        coarse = (deepest, *channels[:-1])
        self.stages = nn.ModuleList(
            _Stage(
                coarse_channels=coarse_channels,
                skip_channels=skip_channels,
                out_channels=out_channels,
                reduce=reduce,
                separable=separable,
                attention=attention,
                dropout=dropout,
            )
            for coarse_channels, skip_channels, out_channels in zip(
                coarse, reversed(skips), channels, strict=True
            )
        )
        self.apply(_initialise)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Decode to the image's size; see `Decoder.forward`."""
        *skips, x = features
        maps = []
        for stage, skip in zip(self.stages, reversed(skips), strict=True):
            x = stage(x, skip)
            maps.append(x)
        wanted = len(self.aux_channels) if self.training else 0
        return maps[: -2 - wanted : -1]


class _Stage(nn.Module):
    """Enlarge, join, convolve twice."""

    def __init__(
        self,
        *,
        coarse_channels: int,
        skip_channels: int,
        out_channels: int,
        reduce: bool,
        separable: bool,
        attention: Literal["scse"] | None,
        dropout: float,
    ) -> None:
        super().__init__()
        self.has_skip = skip_channels > 0
        self.narrow: nn.Module = nn.Identity()
        self.narrow_skip: nn.Module = nn.Identity()
        if reduce and coarse_channels > out_channels:
            self.narrow = _ConvNormReLU(coarse_channels, out_channels, kernel=1)
            coarse_channels = out_channels
        if reduce and skip_channels > out_channels:
            self.narrow_skip = _ConvNormReLU(skip_channels, out_channels, kernel=1)
            skip_channels = out_channels
        joined = coarse_channels + skip_channels
        self.fuse = _ConvNormReLU(joined, out_channels, separable=separable)
        self.refine = _ConvNormReLU(out_channels, out_channels, separable=separable)
        self.attention = _ScSE(out_channels) if attention else nn.Identity()
        self.dropout = nn.Dropout2d(dropout) if dropout else nn.Identity()

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """From the coarser map and the encoder's feature to a map of its size."""
        x = F.interpolate(self.narrow(coarse), size=skip.shape[-2:], mode="nearest")
        if self.has_skip:
            # The image is float32: joined as it is, it would make all of the map so.
            x = torch.cat((x, self.narrow_skip(skip).to(x.dtype)), dim=1)
        x = self.refine(self.fuse(x))
        attended: Tensor = self.dropout(self.attention(x))
        return attended


class _ConvNormReLU(nn.Sequential):
    """A convolution that keeps the size, batch normalisation, ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int = 3,
        separable: bool = False,
    ) -> None:
        if separable:
            convolutions = [
                _conv(in_channels, in_channels, kernel=kernel, groups=in_channels),
                _conv(in_channels, out_channels, kernel=1),
            ]
        else:
            convolutions = [_conv(in_channels, out_channels, kernel=kernel)]
        super().__init__(
            *convolutions, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
        )


class _ScSE(nn.Module):
    """Concurrent squeeze and excitation: a weight a channel plus a weight a pixel.

    References:
        Roy et al. 2018, doi:10.1007/978-3-030-00928-1_48.
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.channel = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )
        self.pixel = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        weighed: Tensor = x * self.channel(x) + x * self.pixel(x)
        return weighed


def _conv(
    in_channels: int, out_channels: int, *, kernel: int, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        padding=kernel // 2,
        groups=groups,
        bias=False,
    )


def _initialise(module: nn.Module) -> None:
    """He et al. 2015, doi:10.1109/ICCV.2015.123: keep the variance through ReLUs."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
