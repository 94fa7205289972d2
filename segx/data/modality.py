"""What kind of images a data set seems to hold, guessed from its numbers."""

from dataclasses import dataclass
from typing import Literal

from segx.data.fingerprint import Fingerprint

__all__ = ["Guess", "Modality", "guess_modality", "is_upright"]

Modality = Literal["ct", "mri", "stain", "photograph", "fluorescence", "grey", "other"]

_AIR_HU = -800
_FAT_HU = -50
_CT_WIDTH_HU = 300
_COLOURFUL = 0.08
_BRIGHT = 0.6
_DARK = 0.15
_UPRIGHT = 0.3


@dataclass(frozen=True)
class Guess:
    """A kind of images, and what speaks for it.

    Args:
        modality: The kind.
        words: What a reader calls it.
        sign: The numbers that it was told by.
        sure: Whether the sign has no other good reading.
    """

    modality: Modality
    words: str
    sign: str
    sure: bool = False

    def __str__(self) -> str:
        return self.words if self.sure else f"perhaps {self.words}"


def guess_modality(found: Fingerprint) -> Guess:
    """Guess the kind of images from depth, values, colour and brightness."""
    if found.has_volumes:
        return _volume(found)
    brightness = f"median brightness {100 * found.brightness:.0f} %"
    if found.channels not in {1, 3}:
        return Guess("other", "neither grey nor RGB", brightness, sure=True)
    if found.colour is not None and found.colour >= _COLOURFUL:
        return _coloured(found, f"colour, {brightness}")
    return _grey(found, f"grey, {brightness}")


def is_upright(found: Fingerprint) -> bool:
    """Whether the images are held one way, so that upside down is not the same."""
    return found.upright is not None and found.upright >= _UPRIGHT


def _volume(found: Fingerprint) -> Guess:
    """CT has a unit: air is at -1000 HU, fat at about -100."""
    sign = f"99 % of the values are {found.reach}"
    if found.low <= _FAT_HU and found.high - found.low >= _CT_WIDTH_HU:
        return Guess("ct", "CT", sign, sure=found.low <= _AIR_HU)
    return Guess("mri", "MRI, or another scan without a unit", sign)


def _coloured(found: Fingerprint, sign: str) -> Guess:
    if found.brightness >= _BRIGHT and not is_upright(found):
        return Guess("stain", "stained slides or skin", sign)
    return Guess("photograph", "photographs", sign)


def _grey(found: Fingerprint, sign: str) -> Guess:
    if is_upright(found):
        return Guess("grey", "radiographs or ultrasound", sign)
    if found.brightness < _DARK:
        return Guess("fluorescence", "fluorescence microscopy", sign)
    return Guess("grey", "microscopy without colour", sign)
