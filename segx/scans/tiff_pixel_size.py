"""How large a pixel is, by OME, by ImageJ, by the scanner's maker, or by the tags."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any, Self

from tifffile import TiffFile, TiffPage, xml2dict

from segx.geometry import Space
from segx.scans.orientation import Orientation

__all__ = ["MM", "PixelSize", "read_pixel_size"]

MM = {
    "nm": 1e-6,
    "µm": 1e-3,
    "μm": 1e-3,  # the Greek letter, beside the micro sign above
    "um": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "\\u00b5m": 1e-3,  # as ImageJ escapes it
    "mm": 1.0,
    "cm": 10.0,
    "m": 1000.0,
}
"""Length of the units that microscopes' files use, in mm."""

_CENTIMETRE = 3
_PRINT_DPI = (72, 96, 150, 300, 600)
_APERIO_MPP = re.compile(r"\|\s*MPP\s*=\s*([0-9.]+)")


@dataclass(frozen=True)
class PixelSize:
    """Size of a pixel, and distance of planes, in mm; None where the file is silent.

    Args:
        pixel_mm: Height and width of a pixel.
        plane_mm: Distance from one plane to the next.
    """

    pixel_mm: tuple[float, float] | None = None
    plane_mm: float | None = None

    @property
    def space(self) -> Space | None:
        """The place of a volume, where all three distances are known."""
        if self.pixel_mm is None or self.plane_mm is None:
            return None
        return Space((self.plane_mm, *self.pixel_mm))

    def upright(self, orientation: Orientation) -> Self:
        """The size once the picture has been turned upright."""
        if self.pixel_mm is None or not orientation.transposed:
            return self
        return replace(self, pixel_mm=self.pixel_mm[::-1])


def read_pixel_size(file: TiffFile, page: TiffPage) -> PixelSize:
    """Find the physical size of a stored pixel; it is never guessed.

    Args:
        file: The open file.
        page: The picture's first page.
    """
    if file.is_ome and file.ome_metadata:
        size = _of_ome(file.ome_metadata)
        return (
            size if size.pixel_mm else replace(size, pixel_mm=_of_tags(page).pixel_mm)
        )
    if file.is_imagej and file.imagej_metadata:
        return _of_imagej(file.imagej_metadata, page)
    microns = _APERIO_MPP.search(page.description) if page.is_svs else None
    if microns is not None and float(microns[1]) > 0:
        return PixelSize((float(microns[1]) / 1000,) * 2)
    return _of_tags(page)


def _of_ome(xml: str) -> PixelSize:
    """The first image's PhysicalSize, in micrometres unless it says otherwise."""
    image = xml2dict(xml)["OME"].get("Image", {})
    pixels = (image[0] if isinstance(image, list) else image).get("Pixels", {})
    z, y, x = (_of_ome_axis(pixels, axis) for axis in "ZYX")
    return PixelSize(None if y is None or x is None else (y, x), z)


def _of_ome_axis(pixels: dict[str, Any], axis: str) -> float | None:
    unit = MM.get(str(pixels.get(f"PhysicalSize{axis}Unit", "µm")))
    size = _positive(pixels.get(f"PhysicalSize{axis}"))
    return None if size is None or unit is None else size * unit


def _of_imagej(metadata: dict[str, Any], page: TiffPage) -> PixelSize:
    """ImageJ's unit, of which the tags give pixels a unit."""
    unit = MM.get(str(metadata.get("unit", "")).lower())
    across, down = page.resolution
    if unit is None or min(across, down) <= 0:
        return _of_tags(page)
    spacing = _positive(metadata.get("spacing"))
    plane_mm = None if spacing is None else spacing * unit
    return PixelSize((unit / down, unit / across), plane_mm)


def _positive(value: object) -> float | None:
    """A length that makes sense, else None."""
    if isinstance(value, int | float) and 0 < value < math.inf:
        return float(value)
    return None


def _of_tags(page: TiffPage) -> PixelSize:
    """Resolution tags, where they are physical.

    Inches are how a printer is told, never a microscope; so are the usual printing
    resolutions when a converter has put them into centimetres.
    """
    across, down = page.resolution
    dpi = [round(value * 2.54, 1) for value in (across, down)]
    if page.resolutionunit != _CENTIMETRE or min(dpi) <= 0 or dpi[0] in _PRINT_DPI:
        return PixelSize()
    return PixelSize((10.0 / down, 10.0 / across))
