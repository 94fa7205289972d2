"""Boxes of objects: values, and the choice of those that stay."""

from segx.boxes.detections import Detections

__all__ = ["Detections"]
