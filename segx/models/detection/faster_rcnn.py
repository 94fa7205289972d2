"""Faster R-CNN: proposals from the pyramid, then a second look at each of them."""

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.poolers import LevelMapper

from segx.models.detection.detector import (
    Detector,
    FiveSizes,
    Found,
    Pyramid,
    anchor_generator,
)
from segx.models.encoder import FeatureInfo

__all__ = ["FasterRCNN"]

_POOLED = 7
"""Rows and columns that each proposal is looked at with."""


class FasterRCNN(Detector):
    """Faster R-CNN: two stages, exact boxes.

    Args:
        features: Channels and strides of the encoder's features.
        classes: Number of classes, background excluded.
        channels: Channels of the maps of the pyramid.
        anchors: Side in pixels of the smallest anchor of each of five maps.
        scales: Anchor sizes between one map's and twice it.
        aspects: Height by width of the anchors.
        hidden: Width of the two layers that look at each proposal.
        proposals: Most proposals an image that are looked at.
        score: Least score of an object that is told.
        nms_iou: Of two objects of a class that overlap by more, the weaker is dropped.
        detections: Most objects an image.
    """

    reference: ClassVar[str] = "Ren et al. 2015, arXiv 1506.01497"

    def __init__(
        self,
        features: FeatureInfo,
        classes: int,
        *,
        channels: int = 128,
        anchors: FiveSizes = (12, 24, 48, 96, 192),
        scales: int = 2,
        aspects: tuple[float, ...] = (0.5, 1.0, 2.0),
        hidden: int = 256,
        proposals: int = 1000,
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
        boxes = anchor_generator("FasterRCNN", anchors, scales=scales, aspects=aspects)
        self.rpn = RegionProposalNetwork(
            boxes,
            _ProposalHead(channels, boxes.num_anchors_per_location()[0]),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n={"training": proposals, "testing": proposals},
            post_nms_top_n={"training": proposals, "testing": proposals},
            nms_thresh=0.7,
        )
        self.heads = RoIHeads(
            _region_pool(self.pyramid),
            TwoMLPHead(channels * _POOLED**2, hidden),
            _Predictor(hidden, classes + 1),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=256,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=score,
            nms_thresh=nms_iou,
            detections_per_img=detections,
        )

    def forward(
        self,
        features: Sequence[Tensor],
        images: ImageList,
        targets: list[dict[str, Tensor]] | None,
    ) -> Found:
        """See `Detector.forward`."""
        maps = self.pyramid(features)
        proposals, proposing = self.rpn(images, maps, targets)
        found, judging = self.heads(maps, proposals, images.image_sizes, targets)
        losses = {**judging, **proposing}
        return found, {name.removeprefix("loss_"): losses[name] for name in losses}


class _ProposalHead(RPNHead):  # type: ignore[misc]  # torchvision tells no types
    """torchvision's, with results in float32 whatever the precision: see `Pyramid`."""

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits, boxes = super().forward(maps)
        return [item.float() for item in logits], [item.float() for item in boxes]


class _Predictor(FastRCNNPredictor):  # type: ignore[misc]  # likewise
    """torchvision's, whose results are float32 whatever the precision."""

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        logits, boxes = super().forward(regions)
        return logits.float(), boxes.float()


def _region_pool(pyramid: Pyramid) -> MultiScaleRoIAlign:
    """Cuts regions out of the maps, whose scales are known.

    torchvision would guess them from the first images, wrongly where those are padded.
    """
    names = [str(index) for index in range(len(pyramid.strides))]
    pool = MultiScaleRoIAlign(names, output_size=_POOLED, sampling_ratio=2)
    pool.scales = [1 / stride for stride in pyramid.strides]
    # Regions of up to 112 px are cut out of the finest map, and so on by doubling.
    pool.map_levels = LevelMapper(2, 1 + len(names))
    return pool
