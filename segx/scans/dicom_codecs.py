"""Compressed DICOM frames that imagecodecs decodes, where pydicom has no decoder."""

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

__all__ = ["decode_frame", "is_available"]

# Baseline JPEG, JPEG 2000, JPEG-LS and RLE have decoders: Pillow, pyjpegls and pydicom.
_JPEG = (uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
_HTJ2K = (uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K)
_NAME = "segx"


def is_available(syntax: str) -> bool:
    """Whether frames of a transfer syntax can be decoded here; pydicom asks."""
    return syntax in (*_JPEG, *_HTJ2K)


def decode_frame(data: bytes, runner: DecodeRunner) -> bytes:
    """Decode a frame; pydicom calls this.

    Args:
        data: The compressed frame.
        runner: What the header says of it; takes what the decoder knows better.

    Raises:
        ValueError: If the frame has another shape than the header says.
    """
    if runner.transfer_syntax in _JPEG:
        values = imagecodecs.jpeg_decode(data)
    else:
        values = imagecodecs.jpeg2k_decode(data)
    shape = (runner.rows, runner.columns)
    if runner.samples_per_pixel != 1 or values.shape != shape:
        raise ValueError(
            f"it decodes to {values.shape}; {shape} of one sample is supported"
        )
    runner.set_option("bits_allocated", 8 * values.dtype.itemsize)
    return np.ascontiguousarray(values).tobytes()


def _register() -> None:
    for syntax in (*_JPEG, *_HTJ2K):
        decoder = get_decoder(syntax)
        if _NAME not in decoder.available_plugins:
            decoder.add_plugin(_NAME, (__name__, decode_frame.__name__))


_register()
