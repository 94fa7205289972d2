"""From the stored values of DICOM frames to what they mean and how they are seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import pixel_array

from segx.errors import ScanError
from segx.scans.dicom_header import Frame

__all__ = ["PixelForm"]

_PALETTE = "PALETTE COLOR"
_COLOUR_NAMES = ("Red", "Green", "Blue")


@dataclass(frozen=True)
class PixelForm:
    """The form that all frames of a scan are read in.

    Args:
        channels: 1 or, for colours, 3.
        dtype: A type that holds the values of all frames.
        as_mask: Keep the indices of a palette.
    """

    channels: int
    dtype: np.dtype[Any]
    as_mask: bool

    @classmethod
    def of(cls, frames: Sequence[Frame], *, as_mask: bool) -> Self:
        """The form for frames that agree in their photometric interpretation."""
        first = frames[0]
        if first.photometric == _PALETTE and not as_mask:
            return cls(3, np.dtype(np.uint8), as_mask)
        samples = int(first.header.get("SamplesPerPixel") or 1)
        one = _common_type(frames) if samples == 1 else _stored_type(first.header)
        return cls(samples, one, as_mask)

    def read(self, frame: Frame) -> NDArray[Any]:
        """Decode a frame.

        Returns:
            Shape (rows, cols, channels).

        Raises:
            ScanError: If it decodes to another shape than the header says.
        """
        decoded = pixel_array(frame.path, index=frame.number)
        stored = _within_stored_bits(decoded, frame.header)
        extent = frame.extent
        if stored.shape[:2] != (extent.rows, extent.cols):
            raise ScanError(
                f"Frame {frame.number} of {frame.path} decodes to {stored.shape} "
                f"pixels; its header says {extent}. Export it again."
            )
        if frame.photometric == _PALETTE and not self.as_mask:
            return _colours(stored, frame.header)
        if frame.photometric == "MONOCHROME1":
            stored = _inverted(stored, frame.header)
        slope, intercept = frame.rescale
        if (slope, intercept) == (1, 0) or self.channels > 1:
            values = stored
        elif self.dtype.kind == "f":
            values = stored * slope + intercept
        else:
            values = stored.astype(np.int64) * int(slope) + int(intercept)
        shaped = values.reshape(extent.rows, extent.cols, self.channels)
        return np.ascontiguousarray(shaped.astype(self.dtype, copy=False))


def _common_type(frames: Sequence[Frame]) -> np.dtype[Any]:
    """The smallest type, the stored one first, that holds what all frames can hold."""
    meanings = {(_stored_range(frame.header), frame.rescale) for frame in frames}
    if any(not number.is_integer() for _, rescale in meanings for number in rescale):
        return np.dtype(np.float32)
    ends = [
        value * int(slope) + int(intercept)
        for stored, (slope, intercept) in meanings
        for value in stored
    ]
    stored = _stored_type(frames[0].header)
    for dtype in (stored, np.dtype(np.int16), np.dtype(np.int32)):
        limits = np.iinfo(dtype)
        if limits.min <= min(ends) and max(ends) <= limits.max:
            return dtype
    return np.dtype(np.float32)


def _stored_type(header: Dataset) -> np.dtype[Any]:
    """The type that holds stored values."""
    size = max(1, int(header.BitsAllocated) // 8)
    return np.dtype(f"{'i' if header.get('PixelRepresentation') == 1 else 'u'}{size}")


def _stored_range(header: Dataset) -> tuple[int, int]:
    """Least and largest value that the stored bits can hold."""
    bits = int(header.get("BitsStored") or header.BitsAllocated)
    if header.get("PixelRepresentation") == 1:
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def _within_stored_bits(decoded: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Clear the bits above the stored ones, or extend the sign into them."""
    unused = 8 * decoded.dtype.itemsize - int(header.get("BitsStored") or 0)
    if not 0 < unused < 8 * decoded.dtype.itemsize:
        return decoded
    return (decoded << unused) >> unused


def _inverted(stored: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """Turn values that grow with darkness round; padding, which is black, to the least.

    References:
        DICOM PS3.3, C.7.5.1.1.2 (Pixel Padding Value).
    """
    least, largest = _stored_range(header)
    seen = (least + largest - stored.astype(np.int64)).astype(stored.dtype)
    padding = header.get("PixelPaddingValue")
    if padding is not None:
        limit = header.get("PixelPaddingRangeLimit", padding)
        is_padding = (stored >= min(padding, limit)) & (stored <= max(padding, limit))
        seen[is_padding] = least
    return seen


def _colours(stored: NDArray[Any], header: Dataset) -> NDArray[np.uint8]:
    """Replace indices by a palette's colours, (rows, cols, 3).

    References:
        DICOM PS3.3, C.7.6.3.1.5 and C.7.6.3.1.6 (Palette Color Lookup Table).
    """
    channels = []
    for colour in _COLOUR_NAMES:
        name = f"{colour}PaletteColorLookupTable"
        descriptor = header[f"{name}Descriptor"].value
        entries, first, bits = (int(value) for value in descriptor)
        entries = entries or 2**16
        data = header[f"{name}Data"].value
        is_wide = len(data) >= 2 * entries
        byte_order = "<" if header.is_little_endian else ">"
        table = np.frombuffer(data, f"{byte_order}u2" if is_wide else "u1", entries)
        if is_wide and bits == 16:
            table = table >> 8
        index = np.clip(stored.astype(np.int64) - first, 0, entries - 1)
        channels.append(table[index].astype(np.uint8))
    return np.stack(channels, axis=-1)
