"""Images that look alike: a perceptual hash, and the pairs whose hashes are near."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

__all__ = ["ALIKE_BITS", "LookAlike", "Signature", "look_alikes", "signature"]

Signature = NDArray[np.bool_]
"""The signs of an image's low frequencies, shape (255,)."""

ALIKE_BITS = 12
"""Most bits that differ between images that are called alike.

JPEG at quality 50, half the size or noise of 3 % changed up to 12 bits, in samples of
seven public sets of six modalities; the nearest retinas of different patients (DRIVE)
are 18 apart, the nearest sections of one electron microscopy stack 58, the nearest of
566 chest X-rays 44."""

_THUMBNAIL = 64
_FREQUENCIES = 16
_BITS = _FREQUENCIES**2 - 1
_BLOCK = 1024


@dataclass(frozen=True)
class LookAlike:
    """Two images that look alike.

    Args:
        first: Id of one of them.
        second: Id of the other.
        bits: Number of bits in which their signatures differ.
    """

    first: str
    second: str
    bits: int

    @property
    def likeness(self) -> float:
        """Share of the bits that are the same; half of them are by chance."""
        return 1 - self.bits / _BITS


def signature(plane: NDArray[Any]) -> Signature | None:
    """A perceptual hash: which low frequencies of an image are above their median.

    It hardly changes when the image is compressed, resized, brightened or stored in
    another format; a turned, mirrored or cropped image has another one. Chest X-rays or
    retinas are all alike in coarse shape: 255 bits of 16x16 frequencies tell them
    apart, the customary 63 of 8x8 don't.

    Args:
        plane: Shape (rows, cols, channels), finite.

    Returns:
        255 bits, or None of an image that shows nothing at that size.

    References:
        Zauner 2010, "Implementation and benchmarking of perceptual image hash
        functions", section 3.2.1 (DCT based hash).
    """
    thumbnail = np.zeros((_THUMBNAIL, _THUMBNAIL))
    kind = np.uint8 if plane.dtype == np.uint8 else np.float32
    for channel in range(plane.shape[2]):
        grey = Image.fromarray(np.ascontiguousarray(plane[..., channel], kind))
        size = (_THUMBNAIL, _THUMBNAIL)
        thumbnail += np.asarray(grey.resize(size, Image.Resampling.BOX))
    waves = dctn(thumbnail, norm="ortho")[:_FREQUENCIES, :_FREQUENCIES].ravel()[1:]
    bits: Signature = waves > np.median(waves)
    return bits if bits.any() else None


def look_alikes(
    signatures: Mapping[str, Signature], *, most: int = ALIKE_BITS
) -> Iterator[LookAlike]:
    """All pairs of images whose signatures are near, one by one: there may be many.

    Args:
        signatures: The signature of each image by its id.
        most: Most bits in which two may differ.

    Examples:
        >>> bits = np.arange(255) % 2 == 0
        >>> list(look_alikes({"a": bits, "b": ~bits, "c": bits}))
        [LookAlike(first='a', second='c', bits=0)]
    """
    if not signatures:
        return
    names = list(signatures)
    signs = np.where(list(signatures.values()), np.float32(1), np.float32(-1))
    for start in range(0, len(names), _BLOCK):
        # Each bit that differs takes 2 from the product of two rows of signs.
        alike = signs[start : start + _BLOCK] @ signs.T
        apart = np.rint((signs.shape[1] - alike) / 2).astype(np.intp)
        for row, second in np.argwhere(apart <= most):
            if start + row < second:
                bits = int(apart[row, second])
                yield LookAlike(names[start + row], names[second], bits)
