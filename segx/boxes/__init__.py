"""Boxes of objects: values, and the choice of those that stay."""

from segx.boxes.detections import Detections
from segx.boxes.suppress import merge_tiles, suppress

__all__ = ["Detections", "merge_tiles", "suppress"]
