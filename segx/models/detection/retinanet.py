"""RetinaNet: class and box at every place of the pyramid, in one stage."""

from collections.abc import Sequence
from typing import ClassVar

from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn
from torchvision.models.detection import retinanet
from torchvision.models.detection.image_list import ImageList

from segx.models.detection.detector import (
    Detector,
    FiveSizes,
    Found,
    anchor_generator,
)
from segx.models.encoder import FeatureInfo

__all__ = ["RetinaNet"]

_CANDIDATES = 10
"""Boxes a map, for each object that may be told, among which the best are chosen: many
anchors see the same object, and those of one shall not push others out."""


class RetinaNet(Detector):
    """RetinaNet: one stage, trained by the focal loss.

    Args:
        features: Channels and strides of the encoder's features.
        classes: Number of classes, background excluded.
        channels: Channels of the maps of the pyramid and of its heads.
        anchors: Side in pixels of the smallest anchor of each of five maps.
        scales: Anchor sizes between one map's and twice it.
        aspects: Height by width of the anchors.
        score: Least score of an object that is told.
        nms_iou: Of two objects of a class that overlap by more, the weaker is dropped.
        detections: Most objects an image.
    """

    reference: ClassVar[str] = "Lin et al. 2017, doi:10.1109/ICCV.2017.324"

    def __init__(
        self,
        features: FeatureInfo,
        classes: int,
        *,
        channels: int = 128,
        anchors: FiveSizes = (12, 24, 48, 96, 192),
        scales: int = 3,
        aspects: tuple[float, ...] = (0.5, 1.0, 2.0),
        score: float = 0.05,
        nms_iou: float = 0.5,
        detections: int = 500,
    ) -> None:
        super().__init__(
            features,
            classes=classes,
            channels=channels,
            detections=detections,
            nms_iou=nms_iou,
        )
        boxes = anchor_generator("RetinaNet", anchors, scales=scales, aspects=aspects)
        head = retinanet.RetinaNetHead(
            channels,
            boxes.num_anchors_per_location()[0],
            classes,
            norm_layer=LayerNorm2d,
        )
        # Not run as a whole: it would resize the images, and hold the encoder.
        self.parts = retinanet.RetinaNet(
            _Outside(channels),
            classes,
            anchor_generator=boxes,
            head=head,
            score_thresh=score,
            nms_thresh=nms_iou,
            detections_per_img=detections,
            topk_candidates=_CANDIDATES * detections,
        )

    def forward(
        self,
        features: Sequence[Tensor],
        images: ImageList,
        targets: list[dict[str, Tensor]] | None,
    ) -> Found:
        """See `Detector.forward`; here torchvision's parts count classes from 0."""
        parts = self.parts
        maps = list(self.pyramid(features).values())
        outputs = {name: item.float() for name, item in parts.head(maps).items()}
        anchors = parts.anchor_generator(images, maps)
        if targets is not None:
            shifted = [{**item, "labels": item["labels"] - 1} for item in targets]
            losses = parts.compute_loss(shifted, outputs, anchors)
            return [], losses
        each = parts.anchor_generator.num_anchors_per_location()[0]
        counts = [each * item.shape[-2] * item.shape[-1] for item in maps]
        found = parts.postprocess_detections(
            {name: item.split(counts, dim=1) for name, item in outputs.items()},
            [item.split(counts) for item in anchors],
            images.image_sizes,
        )
        return [{**item, "labels": item["labels"] + 1} for item in found], {}


class _Outside(nn.Module):
    """Stands for the backbone, which torchvision asks for its channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out_channels = channels
