"""Pictures of scans that are collected band by band, small enough to be looked at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Extent, Region
from segx.labels import Labels
from segx.scans.intensity import Intensity
from segx.scans.overlay import as_rgb, draw_overlay

__all__ = ["Sketch", "Thumbnail"]

_LONGEST_SIDE = 2048


class Thumbnail:
    """Every n-th pixel of a scan, so that memory has a bound.

    Args:
        extent: Size of the scan; up to 2048 px a side it is shown as it is.
        intensity: The scale that the scan is shown with.
    """

    def __init__(self, extent: Extent, *, intensity: Intensity) -> None:
        self.step = -(-max(extent.rows, extent.cols) // _LONGEST_SIDE)
        self._intensity = intensity
        self._pictures: list[NDArray[np.uint8]] = []

    def add(self, region: Region, pixels: NDArray[Any]) -> None:
        """Take what is shown of the next band.

        Args:
            region: Where the band lies.
            pixels: Stored values, shape (rows, cols, channels).
        """
        shown = pixels[self.shown(region)]
        if len(shown):
            self._pictures.append(as_rgb(shown, intensity=self._intensity))

    def shown(self, region: Region) -> tuple[slice, slice]:
        """The rows and columns of a band that are shown."""
        rows = slice(-region.top % self.step, None, self.step)
        return rows, slice(None, None, self.step)

    def picture(self) -> NDArray[np.uint8]:
        """All bands, RGB, shape (rows, cols, 3)."""
        return np.concatenate(self._pictures)


class Sketch:
    """An overlay of every n-th pixel of a scan and its mask.

    Args:
        extent: Size of the scan.
        labels: What the mask's values mean.
        intensity: The scale that the scan is shown with.
    """

    def __init__(self, extent: Extent, *, labels: Labels, intensity: Intensity) -> None:
        self._labels = labels
        self._scan = Thumbnail(extent, intensity=intensity)
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
        self._scan.add(region, pixels)
        self._masks.append(mask[self._scan.shown(region)].copy())

    def draw(self) -> NDArray[np.uint8]:
        """The overlay of all bands, RGB, shape (rows, cols, 3)."""
        mask = np.concatenate(self._masks)
        return draw_overlay(self._scan.picture(), mask, self._labels)
