"""PNG, JPEG and BMP: opened from the header, decoded whole on the first read."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.damage import reading
from segx.scans.orientation import EXIF_TAG, ORIENTATIONS, Orientation
from segx.scans.scan import Scan

__all__ = ["MOST_PIXELS", "RasterScan"]

MOST_PIXELS = 200_000_000
"""Largest picture that is decoded whole, in pixels."""

# The signature decides, not the name: a JPEG called .png is read as what it is.
_FORMATS: dict[bytes, type[ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
    b"BM": BmpImageFile,
}
_CHANNELS = {"1": 1, "L": 1, "I;16": 1, "P": 3, "LA": 2, "RGB": 3, "RGBA": 4}
_COLOUR_TYPE_CHANNELS = {2: 3, 4: 2, 6: 4}  # PNG, third edition, table 9
_MOST_RATIO = 2048  # bytes of pixels to one in the file; deflate, PNG's, reaches 1032
_HEADER_BYTES = 26  # up to the bit depth and colour type in a PNG's IHDR


class RasterScan(Scan):
    """A picture that is small enough to be decoded whole.

    EXIF rotation is applied, to images and to masks alike. A palette becomes its
    colours, and black-and-white becomes 0 and 255; as a mask, both keep their
    indices, and grey of 2 or 4 bits keeps its ids, which decoders stretch to 0 … 255.

    Args:
        path: The file.
        as_mask: Read stored indices instead of colours.

    Raises:
        ScanError: If the file is missing, damaged, of another format, in print
            colours (CMYK), or has more than `MOST_PIXELS` pixels.
    """

    def __init__(self, path: Path, *, as_mask: bool = False) -> None:
        with reading(path):
            with path.open("rb") as file:
                header = file.read(_HEADER_BYTES)
            picture = _open_picture(path, header)
        try:
            self._start(path, header, picture, as_mask=as_mask)
        except ScanError:
            picture.close()
            raise

    def _start(
        self, path: Path, header: bytes, picture: ImageFile, *, as_mask: bool
    ) -> None:
        stored = Extent(picture.height, picture.width)
        _refuse_unreadable(path, picture, stored)
        is_png = isinstance(picture, PngImageFile)
        self._bits = header[24] if is_png else 8
        _refuse_impossible(path, stored, bits=self._bits)
        self._picture: ImageFile | None = picture
        self._pixels: NDArray[Any] | None = None
        self._as_mask = as_mask
        with reading(path):
            self._orientation = _orientation(picture)
        self.is_turned = self._orientation != ORIENTATIONS[1]
        channels = _CHANNELS[picture.mode]
        if picture.mode == "P":
            channels = 1 if as_mask else 3 + ("transparency" in picture.info)
        elif is_png and self._bits == 16:
            channels = _COLOUR_TYPE_CHANNELS.get(header[25], 1)
        super().__init__(
            path,
            extent=self._orientation.upright_extent(stored),
            channels=channels,
            dtype=np.dtype(np.uint16 if self._bits == 16 else np.uint8),
        )

    def close(self) -> None:
        """Let go of the file and of its pixels."""
        if self._picture is not None:
            self._picture.close()
        self._picture = self._pixels = None

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        if self._pixels is None:
            self._pixels = self._decode()
        return self._pixels[region.slices]

    def _decode(self) -> NDArray[Any]:
        """All pixels, upright, (rows, cols, channels)."""
        if self._picture is None:
            raise ScanError(f"{self.path} was closed. Open it again to read it.")
        with reading(self.path), self._picture as picture:
            stored = self._stored_values(picture)
            late = Image.Exif()
            late.load(picture.info.get("exif", b""))
        self._picture = None
        upright = late.get(EXIF_TAG, 1) == 1
        if not upright and ORIENTATIONS.get(late[EXIF_TAG]) != self._orientation:
            raise ScanError(
                f"{self.path} says only after its pixels that it is rotated. Save it "
                "again, with its EXIF data first or without them."
            )
        stored = stored.reshape(*stored.shape[:2], -1)
        return np.ascontiguousarray(self._orientation.upright(stored))

    def _stored_values(self, picture: ImageFile) -> NDArray[Any]:
        """Pixels as they lie in the file, (rows, cols[, channels])."""
        if self._bits == 16 and self.channels > 1:
            # Pillow keeps 8 of the 16 bits of colour.
            return np.asarray(imagecodecs.png_decode(self.path.read_bytes()))
        picture.load()
        if picture.mode == "P" and not self._as_mask:
            return np.asarray(picture.convert("RGB" if self.channels == 3 else "RGBA"))
        values: NDArray[Any] = np.asarray(picture)
        if picture.mode == "1":
            return values.astype(np.uint8) * np.uint8(1 if self._as_mask else 255)
        if self._as_mask and picture.mode == "L" and self._bits < 8:
            values = values // np.uint8(255 // (2**self._bits - 1))
        return values


def _open_picture(path: Path, header: bytes) -> ImageFile:
    """Parse the header with the decoder that the signature asks for."""
    for signature, decoder in _FORMATS.items():
        if header.startswith(signature):
            return decoder(path)
    raise ScanError(
        f"{path} is no PNG, JPEG or BMP: its first bytes are '{header[:8].hex(' ')}'. "
        "It is damaged, or its name has the wrong suffix."
    )


def _refuse_unreadable(path: Path, picture: ImageFile, stored: Extent) -> None:
    """Refuse, from the header alone, what can't or must not be decoded."""
    if stored.pixels > MOST_PIXELS:
        raise ScanError(
            f"{path} has {stored} = {stored.pixels / 1e6:.0f} million pixels; a PNG, "
            f"JPEG or BMP may have {MOST_PIXELS / 1e6:.0f} million, for it must be "
            "decoded whole. Convert it to a tiled TIFF."
        )
    if stored.pixels == 0 or picture.mode not in _CHANNELS:
        raise ScanError(
            f"{path} has {stored} pixels of kind {picture.mode}. Allowed are grey, "
            "palette, RGB and RGBA, 8 or 16 bits; convert print colours (CMYK) to RGB."
        )


def _refuse_impossible(path: Path, stored: Extent, *, bits: int) -> None:
    """Refuse a damaged header before memory is taken for what it announces."""
    with reading(path):
        size = path.stat().st_size
    if stored.pixels * bits // 8 > _MOST_RATIO * size:
        raise ScanError(
            f"{path} says that it has {stored} px, which its {size} bytes can't hold. "
            "It is damaged or cut short: copy it again."
        )


def _orientation(picture: ImageFile) -> Orientation:
    # PngImageFile.getexif would decode the whole picture in search of a late chunk.
    value = Image.Image.getexif(picture).get(EXIF_TAG, 1)
    return ORIENTATIONS.get(value, ORIENTATIONS[1])
