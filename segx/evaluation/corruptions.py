"""Seeded damage to images: what a flag must notice, and what it is fitted on."""

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segx.geometry import Region
from segx.scans.channels import match_channels
from segx.scans.scan import Scan

__all__ = ["CORRUPTIONS", "CorruptedScan", "Corruption"]


@dataclass(frozen=True)
class Corruption:
    """One kind of damage, at one strength.

    Args:
        kind: What is done.
        strength: Of noise the standard deviation, as a share of the image's range; of
            blur the standard deviation and of defocus the radius, in pixels.
    """

    kind: Literal["noise", "blur", "defocus", "inverted"]
    strength: float = 1.0

    def __call__(self, image: NDArray[Any], *, seed: int) -> NDArray[Any]:
        """Damage an image, shape (rows, cols, channels); the same for the same seed."""
        values = self._damaged(image.astype(np.float64), seed)
        if image.dtype.kind in "ui":
            limits = np.iinfo(image.dtype)
            values = np.rint(values).clip(limits.min, limits.max)
        return values.astype(image.dtype)

    def _damaged(self, image: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
        if self.kind == "noise":
            random = np.random.default_rng(seed)
            scale = self.strength * float(np.ptp(image))
            return np.asarray(image + random.normal(0, scale, image.shape))
        if self.kind == "inverted":
            return np.asarray(image.min() + image.max() - image, np.float64)
        if self.kind == "blur":
            sigma = (self.strength, self.strength, 0)
            return np.asarray(ndimage.gaussian_filter(image, sigma))
        blurred = cv2.filter2D(image, -1, _disk(self.strength))
        return np.asarray(blurred, np.float64).reshape(image.shape)


CORRUPTIONS = (
    Corruption("noise", 0.1),
    Corruption("noise", 0.3),
    Corruption("blur", 2),
    Corruption("blur", 4),
    Corruption("defocus", 4),
    Corruption("defocus", 8),
    Corruption("inverted"),
)
"""What is done to validation cases, beside leaving them as they are."""


class CorruptedScan(Scan):
    """A scan whose planes are damaged whole, so that it is the same however it is cut.

    Args:
        scan: The scan; closing the result closes it.
        corruption: What is done to it; None for nothing.
        seed: Decides the noise.
        channels: That the model reads: an alpha channel is not to be damaged, nor grey
            that is stored as three equal channels in three ways.
    """

    def __init__(
        self, scan: Scan, corruption: Corruption | None, *, seed: int, channels: int
    ) -> None:
        super().__init__(
            scan.path,
            extent=scan.extent,
            channels=channels,
            dtype=scan.dtype,
            planes=scan.planes,
            spacing_mm=scan.spacing_mm,
            space=scan.space,
        )
        self._scan = scan
        self._corruption = corruption
        self._seed = seed
        self._plane: tuple[int, NDArray[Any]] | None = None

    def close(self) -> None:
        """Let go of the file."""
        self._scan.close()

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        if self._corruption is None:
            return self._matched(self._scan.read(region, plane=plane))
        if self._plane is None or self._plane[0] != plane:
            stored = self._matched(self._scan.read_all(plane=plane))
            self._plane = plane, self._corruption(stored, seed=self._seed + plane)
        return self._plane[1][region.slices]

    def _matched(self, pixels: NDArray[Any]) -> NDArray[Any]:
        return match_channels(pixels, self.channels, source=self.path)


def _disk(radius: float) -> NDArray[np.float64]:
    """What a lens out of focus makes of a point."""
    reach = np.arange(-int(radius), int(radius) + 1)
    disk = (np.hypot(*np.meshgrid(reach, reach)) <= radius).astype(np.float64)
    return np.asarray(disk / disk.sum())
