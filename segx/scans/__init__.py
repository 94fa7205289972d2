"""Disk ⇄ array, with its geometry."""

from segx.scans.channel_files import open_channels
from segx.scans.channels import match_channels
from segx.scans.files import (
    IMAGE_SUFFIXES,
    create_mask,
    mask_files,
    open_scan,
    scan_files,
)
from segx.scans.intensity import Intensity
from segx.scans.memory import ArrayScan
from segx.scans.overlay import as_rgb, draw_overlay, write_png
from segx.scans.resize import resize_image, resize_mask
from segx.scans.resolution import at_resolution
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink

__all__ = [
    "IMAGE_SUFFIXES",
    "ArrayScan",
    "Intensity",
    "MaskSink",
    "Scan",
    "as_rgb",
    "at_resolution",
    "create_mask",
    "draw_overlay",
    "mask_files",
    "match_channels",
    "open_channels",
    "open_scan",
    "resize_image",
    "resize_mask",
    "scan_files",
    "write_png",
]
