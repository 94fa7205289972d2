"""The detectors by name, and the network that puts one on an encoder."""

from collections.abc import Mapping

from segx.models.detection.detector import Detector
from segx.models.detection.faster_rcnn import FasterRCNN
from segx.models.detection.network import DetectionNetwork, Targets
from segx.models.detection.retinanet import RetinaNet

__all__ = ["DETECTORS", "DetectionNetwork", "Detector", "Targets"]

DETECTORS: Mapping[str, type[Detector]] = {
    detector.__name__: detector for detector in (FasterRCNN, RetinaNet)
}
"""All detectors; what `model.detector` may be."""
