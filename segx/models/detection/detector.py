"""What every detector is: features of an encoder in, boxes or losses out."""

from collections.abc import Sequence
from typing import ClassVar

from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from segx.errors import ModelError
from segx.models.encoder import FeatureInfo

__all__ = [
    "Detector",
    "FiveSizes",
    "Found",
    "Pyramid",
    "anchor_generator",
]

Found = tuple[list[dict[str, Tensor]], dict[str, Tensor]]
"""Objects of each image (in evaluation), losses by name (in training)."""

FiveSizes = tuple[float, float, float, float, float]
"""One number a level of the pyramid, finest first."""

_FINEST = 2
"""Index of the finest feature that is used, at stride 4: small objects need it."""


class Pyramid(nn.Module):
    """A feature pyramid on an encoder, at strides 4, 8, 16, 32 and 64.

    Its maps are normalised pixel by pixel, over the channels. So it learns from random
    weights in small batches, and what it finds in a place depends neither on the tile
    around it (as with groups of channels) nor on the level (as with batches, where
    levels share a head). They are float32 whatever the precision: places of boxes are
    computed in their type, and bfloat16 can't tell column 1000 from 1003.

    Args:
        features: Channels and strides of the encoder's features.
        channels: Channels of each map, 2 or more.

    Attributes:
        out_channels: The same, where torchvision looks for it.
        strides: Strides of all maps but the last, which halves the one before.

    References:
        Lin et al. 2017, doi:10.1109/CVPR.2017.106.
        Norms after Ba et al. 2016, arXiv 1607.06450.
    """

    def __init__(self, features: FeatureInfo, channels: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.strides = features.strides[_FINEST:]
        self.maps = FeaturePyramidNetwork(
            list(features.channels[_FINEST:]),
            channels,
            extra_blocks=LastLevelMaxPool(),
            norm_layer=LayerNorm2d,
        )

    def forward(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        """Five maps by name, finest first: ``0`` to ``3``, then ``pool``.

        Args:
            features: All of the encoder's features, finest first.
        """
        used = {str(i): item for i, item in enumerate(features[_FINEST:])}
        return {name: item.float() for name, item in self.maps(used).items()}


class Detector(nn.Module):
    """Base of all detectors: built on an encoder's features, it finds or learns.

    Args:
        features: Channels and strides of the encoder's features.
        classes: Number of classes, background excluded.
        channels: Channels of the maps of the pyramid, 2 or more.
        detections: Most objects that are told of an image.
        nms_iou: Of two objects of a class that overlap by more, the weaker is dropped.

    Attributes:
        detections: The same; where so many are told, others may be missing.
        nms_iou: The same; those who join tiles keep to it.
    """

    source: ClassVar[str] = "torchvision"
    """Whose code it is."""
    reference: ClassVar[str] = ""
    """Paper and DOI of the design."""
    multiple: ClassVar[int] = 64
    """The images' rows and columns must be a multiple of it: the coarsest stride."""

    def __init__(
        self,
        features: FeatureInfo,
        *,
        classes: int,
        channels: int,
        detections: int,
        nms_iou: float,
    ) -> None:
        super().__init__()
        if classes < 1 or channels < 2:
            raise ModelError(
                f"{type(self).__name__}: {classes} classes and {channels} channels "
                "given; it takes a class or more, and 2 channels or more."
            )
        self.detections = detections
        self.nms_iou = nms_iou
        self.pyramid = Pyramid(features, channels)

    def forward(
        self,
        features: Sequence[Tensor],
        images: ImageList,
        targets: list[dict[str, Tensor]] | None,
    ) -> Found:
        """Find objects, or learn from true ones.

        Args:
            features: The encoder's features, finest first.
            images: The padded images, and the size of each within them.
            targets: ``boxes`` (n, 4) and ``labels`` (n,), from 1, of each image; None
                in evaluation.

        Returns:
            In evaluation the ``boxes``, ``labels`` and ``scores`` of each image, best
            first; in training the losses.
        """
        raise NotImplementedError


def anchor_generator(
    detector: str, anchors: FiveSizes, *, scales: int, aspects: Sequence[float]
) -> AnchorGenerator:
    """The boxes that a detector starts from, at every pixel of every map.

    Args:
        detector: Its name, for the error.
        anchors: Side in pixels of the smallest box of each map.
        scales: Boxes between one map's side and its double, evenly in proportion.
        aspects: Height by width of the boxes.

    Raises:
        ModelError: If a number is not above 0.
    """
    if min(anchors) <= 0 or scales < 1 or not aspects or min(aspects) <= 0:
        raise ModelError(
            f"{detector}: anchors {list(anchors)}, scales {scales} and aspects "
            f"{list(aspects)} given; all must be above 0, and one of each there."
        )
    steps = [2 ** (step / scales) for step in range(scales)]
    sizes = tuple(tuple(side * step for step in steps) for side in anchors)
    return AnchorGenerator(sizes, (tuple(aspects),) * len(sizes))
