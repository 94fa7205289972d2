"""What a TIFF's directories say, checked before a pixel is read."""

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import (
    COMPRESSION,
    PHOTOMETRIC,
    TIFF,
    TiffFile,
    TiffFrame,
    TiffPage,
    TiffPageSeries,
)

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.orientation import EXIF_TAG, ORIENTATIONS, Orientation
from segx.scans.raster import MOST_PIXELS

__all__ = ["TiffHeader", "read_header"]

_AXES = ("YX", "YXS", "SYX", "CYX")
_COLOURS = (
    PHOTOMETRIC.MINISWHITE,
    PHOTOMETRIC.MINISBLACK,
    PHOTOMETRIC.RGB,
    PHOTOMETRIC.PALETTE,
)
# Compressions whose decoder turns YCbCr into RGB.
_JPEGS = (
    COMPRESSION.OJPEG,
    COMPRESSION.JPEG,
    COMPRESSION.APERIO_JP2000_YCBC,
    COMPRESSION.ALT_JPEG,
)
_CENTIMETRE = 3
_PRINT_DPI = (72, 96, 150, 300, 600)


@dataclass(frozen=True)
class TiffHeader:
    """The plane that is read, and how it is laid out.

    Args:
        file: The open file.
        page: The page that says how all of them are laid out.
        pages: One page, or one page a channel.
        stored: Size of the plane as it is stored, before it is turned upright.
        samples: Number of samples a pixel in one page.
        stored_dtype: Type of the stored values in native byte order.
        bits: Number of bits that a stored value uses.
        segment: Size of a tile, or of a strip.
        is_planar: Each sample has its own segments.
        is_plain: Rows follow each other uncompressed.
        white_is_zero: Stored values grow with darkness.
        palette: Colours of a palette, uint8, (colours, 3).
        orientation: How to turn the plane upright.
        spacing_mm: Height and width of an upright pixel, where the file says so.
    """

    file: TiffFile
    page: TiffPage
    pages: tuple[TiffPage | TiffFrame, ...]
    stored: Extent
    samples: int
    stored_dtype: np.dtype[Any]
    bits: int
    segment: Extent
    is_planar: bool
    is_plain: bool
    white_is_zero: bool
    palette: NDArray[np.uint8] | None
    orientation: Orientation
    spacing_mm: tuple[float, float] | None

    @property
    def channels(self) -> int:
        """Number of channels over all pages."""
        return self.samples * len(self.pages)

    def segments(self, region: Region) -> Iterator[int]:
        """Numbers of the tiles or strips that a stored region touches."""
        rows = math.ceil(self.stored.rows / self.segment.rows)
        cols = math.ceil(self.stored.cols / self.segment.cols)
        last_row = (region.bottom - 1) // self.segment.rows
        last_col = (region.right - 1) // self.segment.cols
        for plane in range(self.samples if self.is_planar else 1):
            for row in range(region.top // self.segment.rows, last_row + 1):
                for col in range(region.left // self.segment.cols, last_col + 1):
                    yield (plane * rows + row) * cols + col


def read_header(path: Path, file: TiffFile) -> TiffHeader:
    """Find the one plane of a TIFF, and refuse what can't be read right.

    Raises:
        ScanError: If there are several planes, colours or values of an unsupported
            kind, a tile or strip too large to decode, or less data than announced.
    """
    _refuse_broken_chain(path, file)
    series = _only_plane(path, file)
    page = series.keyframe
    _refuse_unreadable(path, page)
    tag = page.tags.get(EXIF_TAG)
    orientation = ORIENTATIONS.get(tag.value if tag else 1, ORIENTATIONS[1])
    cols = page.tilewidth if page.is_tiled else page.imagewidth
    rows = (
        page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    )
    header = TiffHeader(
        file=file,
        page=page,
        pages=_pages(path, series),
        stored=Extent(page.imagelength, page.imagewidth),
        samples=page.samplesperpixel,
        stored_dtype=np.dtype(page.dtype),
        bits=page.bitspersample,
        segment=Extent(rows, cols),
        is_planar=page.planarconfig == 2 and page.samplesperpixel > 1,
        is_plain=page.is_final,
        white_is_zero=page.photometric == PHOTOMETRIC.MINISWHITE,
        palette=_palette(page),
        orientation=orientation,
        spacing_mm=_spacing_mm(page, orientation),
    )
    _refuse_incomplete(path, header)
    return header


def _refuse_broken_chain(path: Path, file: TiffFile) -> None:
    """Refuse a file whose directories point beyond its end: pages would go missing."""
    layout, handle = file.tiff, file.filehandle
    seen: set[int] = set()
    offset = file.pages.first.offset
    while offset and offset not in seen:
        seen.add(offset)
        if offset >= handle.size:
            raise ScanError(
                f"{path} is cut short: it has {handle.size} bytes, and its page "
                f"{len(seen)} begins at byte {offset}. Copy it again."
            )
        handle.seek(offset)
        (tags,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
        handle.seek(tags * layout.tagsize, os.SEEK_CUR)
        (offset,) = struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))


def _only_plane(path: Path, file: TiffFile) -> TiffPageSeries:
    """The file's only plane, beside which thumbnails and pyramid levels may stand."""
    first, *others = file.series
    rivals = [
        other
        for other in others
        if other.keyframe.imagelength >= first.keyframe.imagelength
        or other.keyframe.imagewidth >= first.keyframe.imagewidth
    ]
    if rivals or first.axes not in _AXES:
        found = f"{len(file.pages)} pages, {first.axes} = {first.shape}"
        raise ScanError(
            f"{path} holds several planes ({found}); a scan is one plane of rows, "
            "columns and channels. Save each plane as a TIFF of its own."
        )
    return first


def _pages(path: Path, series: TiffPageSeries) -> tuple[TiffPage | TiffFrame, ...]:
    """The pages that hold the plane's channels: usually one."""
    pages = [page for page in series.pages if page is not None]
    channels = series.shape[0]
    if series.axes != "CYX" or series.keyframe.samplesperpixel == channels:
        return (pages[0],)
    if len(pages) != channels:
        raise ScanError(
            f"{path} announces {channels} channels and has {len(pages)} pages. It is "
            "damaged or cut short: copy it again."
        )
    return tuple(pages)


def _refuse_unreadable(path: Path, page: TiffPage) -> None:
    """Refuse colours and values that would be misread, and segments too large."""
    is_ycbcr_jpeg = page.photometric == PHOTOMETRIC.YCBCR and page.compression in _JPEGS
    kind = page.dtype.kind if page.dtype is not None else "?"
    white_is_zero = page.photometric == PHOTOMETRIC.MINISWHITE
    readable = (page.photometric in _COLOURS or is_ycbcr_jpeg) and kind in "biuf"
    if not readable or page.imagedepth != 1 or (white_is_zero and kind not in "bu"):
        colours = getattr(page.photometric, "name", page.photometric)
        raise ScanError(
            f"{path} stores {colours} colours as {page.dtype}. Allowed are grey, "
            "palette and RGB, as whole or floating numbers. Convert it to one of these."
        )
    if page.compression not in TIFF.DECOMPRESSORS:
        raise ScanError(
            f"{path} is compressed in a way that is not known (number "
            f"{int(page.compression)}). Save it with LZW, deflate or JPEG."
        )
    pixels = math.prod(page.chunks)
    if not page.is_final and pixels > MOST_PIXELS:
        raise ScanError(
            f"{path} must be decoded in pieces of {pixels / 1e6:.0f} million values; "
            f"{MOST_PIXELS / 1e6:.0f} million are allowed. Convert it to a tiled TIFF."
        )


def _refuse_incomplete(path: Path, header: TiffHeader) -> None:
    """Refuse a file that ends before its last tile or strip does."""
    segments = math.prod(header.page.chunked)
    size = header.file.filehandle.size
    for page in header.pages:
        counts = page.databytecounts
        if header.is_plain:
            counts = (header.page.nbytes,)
        elif min(len(page.dataoffsets), len(counts)) < segments:
            raise ScanError(
                f"{path} has {len(page.dataoffsets)} of {segments} tiles or strips. It "
                "is damaged: copy it again."
            )
        end = max(map(sum, zip(page.dataoffsets, counts, strict=False)), default=0)
        if end > size or end == 0:
            raise ScanError(
                f"{path} is cut short: it has {size} bytes, and its pixels end at byte "
                f"{end}. Copy it again."
            )


def _palette(page: TiffPage) -> NDArray[np.uint8] | None:
    """A palette's colours, 0 ... 255, (colours, 3)."""
    if page.photometric != PHOTOMETRIC.PALETTE or page.colormap is None:
        return None
    # The standard says 16 bits; some writers put 8-bit colours there.
    shift = 8 if page.colormap.max() > 255 else 0
    return (page.colormap.T >> shift).astype(np.uint8)


def _spacing_mm(page: TiffPage, orientation: Orientation) -> tuple[float, float] | None:
    """Size of an upright pixel, where the file gives a physical one.

    Inches are how a printer is told, never a microscope; so are the usual printing
    resolutions when a converter has put them into centimetres.
    """
    across, down = page.resolution
    dpi = [round(value * 2.54, 1) for value in (across, down)]
    if page.resolutionunit != _CENTIMETRE or min(dpi) <= 0 or dpi[0] in _PRINT_DPI:
        return None
    spacing = (10.0 / down, 10.0 / across)
    return (spacing[1], spacing[0]) if orientation.transposed else spacing
