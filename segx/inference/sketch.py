"""An overlay that is collected band by band, small enough to be looked at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Extent, Region
from segx.labels import Labels
from segx.scans.intensity import Intensity
from segx.scans.overlay import as_rgb, draw_overlay

__all__ = ["Sketch"]

_LONGEST_SIDE = 2048


class Sketch:
    """Every n-th pixel of a scan and its mask, so that memory has a bound.

    Args:
        extent: Size of the scan; up to 2048 px a side it is drawn as it is.
        labels: What the mask's values mean.
        intensity: The scale that the scan is shown with.
    """

    def __init__(self, extent: Extent, *, labels: Labels, intensity: Intensity) -> None:
        self._labels = labels
        self._intensity = intensity
        self._step = -(-max(extent.rows, extent.cols) // _LONGEST_SIDE)
        self._pictures: list[NDArray[np.uint8]] = []
        self._masks: list[NDArray[np.uint8]] = []

    def add(
        self, region: Region, pixels: NDArray[Any], mask: NDArray[np.uint8]
    ) -> None:
        """Take what is shown of the next band.

        Args:
            region: Where the band lies.
            pixels: Stored values, shape (rows, cols, channels).
            mask: Shape (rows, cols) or (rows, cols, classes).
        """
        rows = slice(-region.top % self._step, None, self._step)
        cols = slice(None, None, self._step)
        shown = pixels[rows, cols]
        if len(shown):
            self._pictures.append(as_rgb(shown, intensity=self._intensity))
            self._masks.append(mask[rows, cols].copy())

    def draw(self) -> NDArray[np.uint8]:
        """The overlay of all bands, RGB, shape (rows, cols, 3)."""
        picture = np.concatenate(self._pictures)
        return draw_overlay(picture, np.concatenate(self._masks), self._labels)
