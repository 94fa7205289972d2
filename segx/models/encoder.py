"""The Xceptions of timm as encoders: six features of exact sizes, after their ReLU."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import timm
import torch.nn.functional as F
from timm.layers.conv_bn_act import ConvNormAct
from timm.models.xception_aligned import XceptionAligned
from torch import Tensor, nn

from segx.errors import ModelError

__all__ = [
    "ENCODERS",
    "ENCODER_TABLE",
    "OUTPUT_STRIDES",
    "EncoderFacts",
    "FeatureInfo",
    "XceptionEncoder",
    "adapt_state_dict",
    "adapt_stem",
    "can_dilate",
    "check_encoder",
    "encoder_normalisation",
]

OUTPUT_STRIDES = (8, 16, 32)

# What ImageNet weights of every Xception were trained with, for each channel.
_MEAN, _STD = 0.5, 0.5

# Blocks of legacy_xception that a feature is taken after.
_LEGACY_TAPS = (1, 2, 11)

_CHOLLET = "Chollet 2017, doi:10.1109/CVPR.2017.195"
_CHEN = "Chen et al. 2018, doi:10.1007/978-3-030-01234-2_49"


@dataclass(frozen=True)
class FeatureInfo:
    """Channels and strides of an encoder's features, finest first; 0 is the input."""

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def output_stride(self) -> int:
        """How many input pixels one pixel of the deepest feature stands for."""
        return self.strides[-1]


@dataclass(frozen=True)
class EncoderFacts:
    """What is known of an encoder before it is built."""

    dilates: bool
    """Whether its last stages can dilate instead of reducing."""
    reference: str


ENCODER_TABLE: Mapping[str, EncoderFacts] = {
    "legacy_xception": EncoderFacts(dilates=False, reference=_CHOLLET),
    "xception41": EncoderFacts(dilates=True, reference=_CHEN),
    "xception65": EncoderFacts(dilates=True, reference=_CHEN),
    "xception71": EncoderFacts(dilates=True, reference=_CHEN),
    "xception41p": EncoderFacts(dilates=True, reference=_CHEN),
    "xception65p": EncoderFacts(dilates=True, reference=_CHEN),
    "xception_narrow": EncoderFacts(dilates=True, reference=_CHEN),
}
"""All encoders by name; ``xception_narrow`` is small enough for tests and trials."""

ENCODERS = tuple(ENCODER_TABLE)


def can_dilate(name: str) -> bool:
    """Whether an encoder can have an output stride of 16 or 8."""
    return ENCODER_TABLE[name].dilates


def encoder_normalisation(name: str) -> tuple[float, float]:
    """Mean and standard deviation that an encoder expects, on the scale 0 … 1."""
    check_encoder(name)
    return _MEAN, _STD


def check_encoder(name: str, output_stride: int = 32) -> None:
    """Refuse an encoder that does not exist, or that can't have an output stride.

    Raises:
        ModelError: What exists, or which encoders can, is named.
    """
    if name not in ENCODER_TABLE:
        raise ModelError(
            f"There is no encoder {name!r}. Take one of {', '.join(ENCODERS)}."
        )
    allowed = OUTPUT_STRIDES if can_dilate(name) else OUTPUT_STRIDES[-1:]
    if output_stride not in allowed:
        able = ", ".join(item for item in ENCODERS if can_dilate(item))
        raise ModelError(
            f"{name} can't have an output stride of {output_stride}, only "
            f"{' or '.join(map(str, allowed))}. These can have 8, 16 or 32: {able}."
        )


class XceptionEncoder(nn.Module):
    """An Xception without its classifier, giving a feature at every scale.

    Feature 0 is the input itself. Feature i ≥ 1 has ``info.channels[i]`` channels and
    exactly ceil(size / ``info.strides[i]``) rows and columns, for any size of input,
    and has passed its ReLU.

    The tensors of `body` are named as in timm, so that its ImageNet weights load: see
    `adapt_state_dict`.

    Args:
        name: One of `ENCODERS`.
        in_channels: Channels of the images, 1 or more.
        output_stride: Stride of the deepest feature. At 16 or 8 the last stages dilate
            their convolutions instead of reducing the image; see `can_dilate`.

    Attributes:
        info: Channels and strides of the six features.

    Raises:
        ModelError: If the encoder does not exist or can't have that output stride.

    References:
        Chollet 2017, doi:10.1109/CVPR.2017.195 (legacy_xception).
        Chen et al. 2018, doi:10.1007/978-3-030-01234-2_49 (the aligned ones).

    Examples:
        >>> import torch
        >>> encoder = XceptionEncoder("xception_narrow", 1)
        >>> [tuple(f.shape[1:]) for f in encoder(torch.zeros(2, 1, 33, 47))][:3]
        [(1, 33, 47), (24, 17, 24), (32, 9, 12)]
    """

    def __init__(self, name: str, in_channels: int, *, output_stride: int = 32) -> None:
        super().__init__()
        check_encoder(name, output_stride)
        if in_channels < 1:
            raise ModelError(f"{in_channels} channels given; an image has 1 or more.")
        self.name = name
        self.in_channels = in_channels
        self.body = _create(name, in_channels, output_stride=output_stride)
        if isinstance(self.body, XceptionAligned):
            self._taps = _reducing_blocks(self.body)
            self._pre_activated = name.endswith("p")
            _keep_shortcuts(self.body, self._taps)
        else:
            _pad_stem(self.body)
        self.info = FeatureInfo(
            channels=(in_channels, *(f["num_chs"] for f in self.body.feature_info)),
            strides=(1, *(f["reduction"] for f in self.body.feature_info)),
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Extract the features.

        Args:
            image: Normalised images, shape (B, in_channels, rows, cols).

        Returns:
            Six features, from the image itself down to the deepest.
        """
        if isinstance(self.body, XceptionAligned):
            return [image, *self._aligned_features(image)]
        return [image, *_legacy_features(self.body, image)]

    def check_image(self, image: Tensor) -> None:
        """Raise a `ModelError` if it is no batch of images with these channels."""
        if image.ndim != 4 or image.shape[1] != self.in_channels or 0 in image.shape:
            raise ModelError(
                f"Images of shape {tuple(image.shape)} given; this network takes "
                f"(batch, {self.in_channels}, rows, cols), each 1 or more."
            )

    def stage(self, name: str) -> int:
        """The stage that a tensor belongs to, from 1 (finest) to 5.

        Args:
            name: As in ``state_dict()``.
        """
        part = name.removeprefix("body.").split(".")
        if isinstance(self.body, XceptionAligned):
            if part[0] == "stem":
                return 1
            return 1 + sum(tap <= int(part[1]) for tap in self._taps)
        block = part[0].removeprefix("block")
        if not block.isdigit():  # conv1 … conv4, bn1 … bn4
            return 1 if part[0][-1] in "12" else 5
        return 2 + sum(int(block) > last for last in _LEGACY_TAPS)

    def _aligned_features(self, image: Tensor) -> list[Tensor]:
        features = []
        x = self.body.stem(image)
        for index, block in enumerate(self.body.blocks):
            if index in self._taps:
                x, tap = _reduce(block, x, pre_activated=self._pre_activated)
                features.append(tap)
            else:
                x = block(x)
        return [*features, self.body.act(x)]


def adapt_state_dict(
    encoder: XceptionEncoder, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Make weights of another model fit an encoder.

    Accepted are a timm classifier's tensors, with or without a prefix such as
    ``module.``, and those of any network of segx. The classifier's and the decoder's
    tensors are dropped, and the stem is adapted to the encoder's channels, see
    `adapt_stem`.

    Args:
        encoder: The encoder that shall receive the weights.
        state: Tensors by name.

    Returns:
        Tensors for ``encoder.load_state_dict(..., strict=True)``.

    Raises:
        ModelError: If tensors are missing or have another shape; the first are named.
    """
    wanted = encoder.body.state_dict()
    stem = next(iter(wanted))
    prefixes = sorted({key.removesuffix(stem) for key in state if key.endswith(stem)})
    found = max((_below(prefix, state, wanted) for prefix in prefixes or [""]), key=len)
    if stem in found and found[stem].ndim == 4:
        found[stem] = adapt_stem(found[stem], encoder.in_channels)
    # Weights older than torch 0.4.1 don't count batches; nothing here reads the count.
    counts = {key: wanted[key] for key in wanted if key.endswith("_batches_tracked")}
    found |= {key: count for key, count in counts.items() if key not in found}
    missing = [key for key in wanted if key not in found]
    unlike = [key for key in found if found[key].shape != wanted[key].shape]
    if missing or unlike:
        example = (missing or unlike)[0]
        raise ModelError(
            f"The weights are not those of {encoder.name}: of its {len(wanted)} "
            f"tensors {len(missing)} are missing and {len(unlike)} have another shape, "
            f"such as {example!r}. Name the encoder that the weights were trained with."
        )
    return {f"body.{key}": value for key, value in found.items()}


def adapt_stem(weight: Tensor, in_channels: int) -> Tensor:
    """Make a trained first convolution take another number of channels.

    An image of n equal channels gives what one of m equal channels gave before: one
    grey channel behaves as three equal ones. Where n ≤ m, every new channel takes an
    equal share of the sum; where n > m, channel i takes the weights of channel i mod m,
    divided among the channels that share them (of four, the fourth shares with the
    first).

    Args:
        weight: Shape (out, m, rows, cols).
        in_channels: n, 1 or more.

    Returns:
        Shape (out, n, rows, cols).

    Examples:
        >>> import torch
        >>> rgb = torch.tensor([1.0, 2.0, 4.0]).view(1, 3, 1, 1)
        >>> adapt_stem(rgb, 1).flatten().tolist()
        [7.0]
        >>> adapt_stem(rgb, 4).flatten().tolist()
        [0.5, 2.0, 4.0, 0.5]
    """
    trained = weight.shape[1]
    if in_channels == trained:
        return weight
    if in_channels < trained:
        share = weight.sum(dim=1, keepdim=True) / in_channels
        return share.repeat(1, in_channels, 1, 1)
    sources = [channel % trained for channel in range(in_channels)]
    shares = weight.new_tensor([sources.count(source) for source in sources])
    return weight[:, sources] / shares.view(1, -1, 1, 1)


def _below(
    prefix: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The wanted tensors that stand under a prefix."""
    return {key: state[prefix + key] for key in wanted if prefix + key in state}


def _create(name: str, in_channels: int, *, output_stride: int) -> Any:
    """A timm model without classifier, with random weights."""
    if name == "xception_narrow":
        return XceptionAligned(
            _narrow_blocks(),
            num_classes=0,
            in_chans=in_channels,
            output_stride=output_stride,
            norm_layer=_norm(),
        )
    if can_dilate(name):
        return timm.create_model(
            name, num_classes=0, in_chans=in_channels, output_stride=output_stride
        )
    return timm.create_model(name, num_classes=0, in_chans=in_channels)


def _norm() -> Any:
    """Batch normalisation as the aligned Xceptions' first authors had it."""
    return partial(nn.BatchNorm2d, eps=0.001)


def _narrow_blocks() -> list[dict[str, Any]]:
    """The stages of xception41 in miniature; timm writes into these, so fresh ones."""
    return [
        {"in_chs": 64, "out_chs": 24, "stride": 2},
        {"in_chs": 24, "out_chs": 32, "stride": 2},
        {"in_chs": 32, "out_chs": 48, "stride": 2},
        {"in_chs": 48, "out_chs": 48, "stride": 1},
        {"in_chs": 48, "out_chs": (48, 64, 64), "stride": 2},
        {
            "in_chs": 64,
            "out_chs": (64, 64, 96),
            "stride": 1,
            "no_skip": True,
            "start_with_relu": False,
        },
    ]


def _pad_stem(body: Any) -> None:
    """Let the unpadded convolutions of legacy_xception keep ceil(size / stride) pixels.

    Unpadded, 512 px become 253, 127, 64, 32, 16: no multiple fits the next one. Their
    weights are untouched.
    """
    for convolution in (body.conv1, body.conv2):
        convolution.padding = (1, 1)


def _reducing_blocks(body: Any) -> frozenset[int]:
    """Indices of the blocks that halve the image, or dilate instead.

    timm names the module that is tapped inside each, such as ``blocks.3.stack.act3``.
    """
    names = [str(info["module"]) for info in body.feature_info[:-1]]
    return frozenset(int(name.split(".")[1]) for name in names)


def _keep_shortcuts(body: Any, taps: frozenset[int]) -> None:
    """Give dilating blocks the shortcut convolution that they were trained with.

    timm leaves it out where neither the size nor the channels change, as in xception71
    at output stride 8; its trained weights would find no place.
    """
    for index in taps:
        block = body.blocks[index]
        if block.shortcut is None:
            block.shortcut = ConvNormAct(
                block.in_channels,
                block.out_channels,
                kernel_size=1,
                norm_layer=_norm(),
                apply_act=False,
            )


def _reduce(block: Any, x: Tensor, *, pre_activated: bool) -> tuple[Tensor, Tensor]:
    """Run a reducing block; returns its output and the activated map before it reduces.

    A block is ReLU → convolution, three times. timm taps pre-activated blocks before
    the last ReLU; here both kinds are tapped after it.
    """
    if pre_activated:
        x = block.norm(x)
        last = block.stack.conv3
        tap = last.norm(block.stack.conv2(block.stack.conv1(x)))
        return last.conv_pw(last.conv_dw(tap)) + block.shortcut(x), tap
    *layers, last = block.stack
    tap = x
    for layer in layers:
        tap = layer(tap)
    return last(tap) + block.shortcut(x), tap


def _legacy_features(body: Any, image: Tensor) -> list[Tensor]:
    """Features of Chollet's Xception, whose blocks activate their own input."""
    x = body.act1(body.bn1(body.conv1(image)))
    x = body.act2(body.bn2(body.conv2(x)))
    features = [x]
    for index in range(1, 13):
        x = getattr(body, f"block{index}")(x)
        if index in _LEGACY_TAPS:
            features.append(F.relu(x))
    x = body.act3(body.bn3(body.conv3(x)))
    return [*features, body.act4(body.bn4(body.conv4(x)))]
