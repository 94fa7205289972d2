"""What a TIFF's directories say, checked before a pixel is read."""

import itertools
import math
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import (
    COMPRESSION,
    PHOTOMETRIC,
    TIFF,
    TiffFile,
    TiffPage,
    TiffPageSeries,
)

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.orientation import EXIF_TAG, ORIENTATIONS, Orientation
from segx.scans.raster import MOST_PIXELS
from segx.scans.tiff_pixel_size import PixelSize, read_pixel_size

__all__ = ["StoredPage", "TiffHeader", "TiffLevel", "read_header"]

_PAGE_AXES = ("YX", "YXS", "SYX", "CYX", "YXC")
_PLANE_AXES = set("ZTQI")  # depth, time, unknown, and a mere sequence of pages
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


@dataclass(frozen=True)
class StoredPage:
    """Where the tiles or strips of one page lie in the file.

    Args:
        offsets: First byte of each.
        counts: Number of bytes of each.
        jpeg_tables: What the page's JPEG tiles have in common.
    """

    offsets: Sequence[int]
    counts: Sequence[int]
    jpeg_tables: bytes | None


@dataclass(frozen=True)
class TiffLevel:
    """One level of a pyramid, and how it is laid out.

    Args:
        page: The page that says how all of them are laid out.
        planes: For each plane its page, or one page a channel.
        stored: Size of a plane as it is stored, before it is turned upright.
        segment: Size of a tile, or of a strip.
        is_planar: Each sample has its own segments.
        is_plain: Rows follow each other uncompressed.
    """

    page: TiffPage
    planes: tuple[tuple[StoredPage, ...], ...]
    stored: Extent
    segment: Extent
    is_planar: bool
    is_plain: bool

    def segments(self, region: Region) -> Iterator[int]:
        """Numbers of the tiles or strips that a stored region touches."""
        rows = math.ceil(self.stored.rows / self.segment.rows)
        cols = math.ceil(self.stored.cols / self.segment.cols)
        last_row = (region.bottom - 1) // self.segment.rows
        last_col = (region.right - 1) // self.segment.cols
        for sample in range(self.page.samplesperpixel if self.is_planar else 1):
            for row in range(region.top // self.segment.rows, last_row + 1):
                for col in range(region.left // self.segment.cols, last_col + 1):
                    yield (sample * rows + row) * cols + col


@dataclass(frozen=True)
class TiffHeader:
    """The picture that is read: what its levels and planes have in common.

    Args:
        file: The open file.
        levels: The full resolution, and the smaller ones of a pyramid.
        samples: Number of samples a pixel in one page.
        stored_dtype: Type of the stored values in native byte order.
        bits: Number of bits that a stored value uses.
        white_is_zero: Stored values grow with darkness.
        palette: Colours of a palette, uint8, (colours, 3).
        orientation: How to turn a plane upright.
        pixel_size: Size of a stored pixel, where the file says so.
    """

    file: TiffFile
    levels: tuple[TiffLevel, ...]
    samples: int
    stored_dtype: np.dtype[Any]
    bits: int
    white_is_zero: bool
    palette: NDArray[np.uint8] | None
    orientation: Orientation
    pixel_size: PixelSize

    @property
    def channels(self) -> int:
        """Number of channels over all pages of a plane."""
        return self.samples * len(self.levels[0].planes[0])

    @property
    def planes(self) -> int:
        """Number of planes."""
        return len(self.levels[0].planes)


def read_header(path: Path, file: TiffFile) -> TiffHeader:
    """Find the one picture of a TIFF, and refuse what can't be read right.

    Raises:
        ScanError: If there are several pictures or too many axes, colours or values of
            an unsupported kind, a tile or strip too large to decode, or less data than
            announced.
    """
    _refuse_broken_chain(path, file)
    series = _only_picture(path, file)
    page = series.keyframe
    tag = page.tags.get(EXIF_TAG)
    orientation = ORIENTATIONS.get(tag.value if tag else 1, ORIENTATIONS[1])
    levels = [level for level in series.levels if _belongs(level, series)]
    return TiffHeader(
        file=file,
        levels=tuple(_level(path, file, level) for level in levels),
        samples=page.samplesperpixel,
        stored_dtype=np.dtype(page.dtype),
        bits=page.bitspersample,
        white_is_zero=page.photometric == PHOTOMETRIC.MINISWHITE,
        palette=_palette(page),
        orientation=orientation,
        pixel_size=_pixel_size(file, series).upright(orientation),
    )


def _pixel_size(file: TiffFile, series: TiffPageSeries) -> PixelSize:
    """Size of a pixel, and the distance of planes that follow each other in depth."""
    size = read_pixel_size(file, series.keyframe)
    return size if "Z" in series.axes else replace(size, plane_mm=None)


def _level(path: Path, file: TiffFile, series: TiffPageSeries) -> TiffLevel:
    """How a level is laid out, once it is known to be readable and whole."""
    page = series.keyframe
    _refuse_unreadable(path, page)
    cols = page.tilewidth if page.is_tiled else page.imagewidth
    rows = (
        page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength)
    )
    level = TiffLevel(
        page=page,
        planes=_planes(path, series),
        stored=Extent(page.imagelength, page.imagewidth),
        segment=Extent(rows, cols),
        is_planar=page.planarconfig == 2 and page.samplesperpixel > 1,
        is_plain=page.is_final,
    )
    _refuse_incomplete(path, level, size=file.filehandle.size)
    return level


def _refuse_broken_chain(path: Path, file: TiffFile) -> None:
    """Refuse a file whose directories point beyond its end: pages would go missing."""
    layout, handle = file.tiff, file.filehandle
    lost = [at for at in file.pages.first.subifds or () if at >= handle.size]
    if lost:
        raise ScanError(
            f"{path} is cut short: it has {handle.size} bytes, and a level of its "
            f"pyramid begins at byte {lost[0]}. Copy it again."
        )
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


def _only_picture(path: Path, file: TiffFile) -> TiffPageSeries:
    """The file's only picture, beside which thumbnails and levels may stand."""
    first, *others = file.series
    if file.is_ome and first.kind != "ome":
        raise ScanError(
            f"{path} has an OME-XML that is damaged or speaks of pages in other files. "
            "Put all of them into one TIFF."
        )
    rivals = [
        other
        for other in others
        if other.keyframe.imagelength >= first.keyframe.imagelength
        or other.keyframe.imagewidth >= first.keyframe.imagewidth
    ]
    if rivals:
        sizes = ", ".join(str(tuple(other.shape)) for other in (first, *rivals))
        raise ScanError(
            f"{path} holds several pictures ({len(file.pages)} pages: {sizes}); a scan "
            "is one, with planes of equal size. Save each as a TIFF of its own."
        )
    outer = _outer_axes(first)
    deep = [axis for axis in outer if axis != "C"]
    readable = len(deep) <= 1 and outer.count("C") <= 1 and set(deep) <= _PLANE_AXES
    if not readable or first.axes[len(outer) :] not in _PAGE_AXES:
        raise ScanError(
            f"{path} has the axes {first.axes} = {first.shape}; a scan has rows (Y), "
            "columns (X), channels (C or S), and planes along one of Z, T, Q and I. "
            "Save the parts as TIFFs of their own, such as one for each point in time."
        )
    return first


def _outer_axes(series: TiffPageSeries) -> str:
    """The axes along which a picture's pages follow each other."""
    return str(series.axes[: len(series.axes) - len(series.keyframe.axes)])


def _belongs(level: TiffPageSeries, full: TiffPageSeries) -> bool:
    """Whether a level shows what the full picture does, only smaller."""
    page, first = level.keyframe, full.keyframe
    colours = {page.photometric, first.photometric}
    return (
        level.axes == full.axes
        and page.dtype == first.dtype
        and page.samplesperpixel == first.samplesperpixel
        and (len(colours) == 1 or colours == {PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR})
    )


def _planes(path: Path, series: TiffPageSeries) -> tuple[tuple[StoredPage, ...], ...]:
    """The pages of each plane: usually one, else one a channel."""
    outer = _outer_axes(series)
    sizes = dict(zip(outer, series.shape, strict=False))
    channels = sizes.pop("C", 1)
    planes = math.prod(sizes.values())
    pages = _stored_pages(path, series)
    if len(pages) != planes * channels:
        raise ScanError(
            f"{path} announces {planes} planes of {channels} channels and has "
            f"{len(pages)} pages. It is damaged, cut short, or one of several files: "
            "copy it again, or put all of them into one TIFF."
        )
    if outer[:1] == "C":
        return tuple(tuple(pages[plane::planes]) for plane in range(planes))
    return tuple(
        tuple(pages[first : first + channels])
        for first in range(0, planes * channels, channels)
    )


def _stored_pages(path: Path, series: TiffPageSeries) -> list[StoredPage]:
    """The pages that a file has of a picture."""
    if series.is_truncated and series.dataoffset is not None:
        # One directory stands for all pages, whose pixels follow each other.
        page, first = series.keyframe, series.dataoffset
        count = math.prod(series.shape) // math.prod(page.shape)
        end, size = first + count * page.nbytes, page.parent.filehandle.size
        if end > size:
            raise ScanError(
                f"{path} is cut short: it has {size} bytes, and its {count} planes end "
                f"at byte {end}. Copy it again."
            )
        return [
            StoredPage((offset,), (page.nbytes,), None)
            for offset in range(first, end, page.nbytes)
        ]
    return [
        StoredPage(page.dataoffsets, page.databytecounts, page.jpegtables)
        for page in series.pages
        if page is not None
    ]


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


def _refuse_incomplete(path: Path, level: TiffLevel, *, size: int) -> None:
    """Refuse a file that ends before its last tile or strip does."""
    segments = math.prod(level.page.chunked)
    for page in itertools.chain.from_iterable(level.planes):
        counts = page.counts
        if level.is_plain:
            counts = (level.page.nbytes,)
        elif min(len(page.offsets), len(counts)) < segments:
            raise ScanError(
                f"{path} has {len(page.offsets)} of {segments} tiles or strips. It "
                "is damaged: copy it again."
            )
        end = max(map(sum, zip(page.offsets, counts, strict=False)), default=0)
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
