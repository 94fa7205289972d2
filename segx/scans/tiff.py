"""TIFF of every depth, layout and compression, read tile by tile or strip by strip."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

from segx.errors import ScanError
from segx.geometry import Region
from segx.scans.damage import reading
from segx.scans.orientation import ORIENTATIONS
from segx.scans.scan import Scan
from segx.scans.tiff_header import StoredPage, TiffHeader, TiffLevel, read_header

__all__ = ["TiffScan"]

_CACHE_BYTES = 256 * 2**20

_Key = tuple[int, int, int, int]  # level, plane, channel, number of the segment


class TiffScan(Scan):
    """The picture of a TIFF: grey, RGB, palette or any number of channels.

    Channels may lie side by side, in planes or, where the file says so, in pages; pages
    of any other kind are planes. The orientation tag is applied and white-is-zero is
    inverted, so that what is read is what is seen. The levels of a pyramid may be
    SubIFDs or, in the files of scanners, pages.

    Args:
        path: The file.
        as_mask: Read a palette's indices instead of its colours, and black-and-white
            as 0 and 1 instead of 0 and 255.

    Raises:
        ScanError: If the file is missing, damaged or cut short, holds several pictures,
            or has colours or values of an unsupported kind.
    """

    def __init__(self, path: Path, *, as_mask: bool = False) -> None:
        with reading(path):
            # An OME-TIFF may name other files, anywhere on the disk: not opened.
            self._file = TiffFile(path, _multifile=False)
        try:
            with reading(path):
                self._header = read_header(path, self._file)
        except ScanError:
            self._file.close()
            raise
        self._as_mask = as_mask
        self.is_turned = self._header.orientation != ORIENTATIONS[1]
        self._decoded: OrderedDict[_Key, _Segment] = OrderedDict()
        header = self._header
        as_colours = header.palette is not None and not as_mask
        is_bilevel = header.stored_dtype == np.bool_
        levels = [
            header.orientation.upright_extent(level.stored) for level in header.levels
        ]
        super().__init__(
            path,
            extent=levels[0],
            channels=3 if as_colours else header.channels,
            dtype=np.dtype(np.uint8)
            if as_colours or is_bilevel
            else header.stored_dtype,
            planes=header.planes,
            spacing_mm=header.pixel_size.pixel_mm,
            space=header.pixel_size.space,
            levels=tuple(levels),
        )

    def close(self) -> None:
        """Let go of the file and of the tiles that were kept."""
        self._file.close()
        self._decoded.clear()

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        header = self._header
        if self._file.filehandle.closed:
            raise ScanError(f"{self.path} was closed. Open it again to read it.")
        layout = header.levels[level]
        inside = header.orientation.stored_region(region, stored=layout.stored)
        with reading(self.path):
            parts = [
                self._page((level, plane, channel), inside)
                for channel in range(len(layout.planes[plane]))
            ]
        stored = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
        seen = self._as_seen(header.orientation.upright(stored))
        return np.ascontiguousarray(seen)

    def _as_seen(self, values: NDArray[Any]) -> NDArray[Any]:
        """Stored values as colours or as brightness, where they are neither."""
        header = self._header
        seen: NDArray[Any] = values
        if header.palette is not None and not self._as_mask:
            seen = header.palette[values[..., 0]]
        elif header.stored_dtype == np.bool_:
            white = np.uint8(1 if self._as_mask else 255)
            seen = (values != header.white_is_zero).astype(np.uint8) * white
        elif header.white_is_zero:
            seen = header.stored_dtype.type(2**header.bits - 1) - values
        return seen

    def _page(self, place: tuple[int, int, int], region: Region) -> NDArray[Any]:
        """A stored region of one page, (rows, cols, samples).

        The page's place is its level, plane and channel.
        """
        header = self._header
        level = header.levels[place[0]]
        page = level.planes[place[1]][place[2]]
        shape = (region.rows, region.cols, header.samples)
        values = np.empty(shape, header.stored_dtype)
        if level.is_plain:
            for sample, block in _plain_rows(header, level, page, region):
                values[..., sample : sample + block.shape[2]] = block
            return values
        for number in level.segments(region):
            key = (*place, number)
            if key not in self._decoded:
                self._keep(key, _decode(self._file, level.page, page, number))
            self._decoded.move_to_end(key)
            self._decoded[key].paste(values, region)
        return values

    def _keep(self, key: _Key, segment: "_Segment") -> None:
        """Keep the last decoded tiles or strips, for neighbouring reads share them."""
        self._decoded[key] = segment
        kept = sum(item.values.nbytes for item in self._decoded.values())
        while kept > _CACHE_BYTES and len(self._decoded) > 1:
            kept -= self._decoded.popitem(last=False)[1].values.nbytes


class _Segment:
    """A decoded tile or strip, (rows, cols, samples), and its place in the page."""

    def __init__(
        self, values: NDArray[Any], *, place: Region, first_sample: int
    ) -> None:
        self.values = values
        self._place = place
        self._samples = slice(first_sample, first_sample + values.shape[2])

    def paste(self, target: NDArray[Any], region: Region) -> None:
        """Copy what lies inside `region` to `target`, which covers it."""
        place = self._place
        top, bottom = max(place.top, region.top), min(place.bottom, region.bottom)
        left, right = max(place.left, region.left), min(place.right, region.right)
        into = (
            slice(top - region.top, bottom - region.top),
            slice(left - region.left, right - region.left),
            self._samples,
        )
        target[into] = self.values[
            top - place.top : bottom - place.top, left - place.left : right - place.left
        ]


def _decode(
    file: TiffFile, layout: TiffPage, page: StoredPage, number: int
) -> _Segment:
    """Read and decode one tile or strip."""
    file.filehandle.seek(page.offsets[number])
    data = file.filehandle.read(page.counts[number]) or None
    tables: dict[str, Any] = {}
    if page.jpeg_tables is not None:
        tables = {"jpegtables": page.jpeg_tables, "jpegheader": layout.jpegheader}
    values, (sample, _, top, left, _), shape = layout.decode(
        data, number, _fullsize=False, **tables
    )
    # A tile without data is one that the scanner skipped: blank by definition.
    image = np.full(shape, layout.nodata) if values is None else values
    rows, cols, samples = image.shape[1:]
    place = Region(top, left, rows, cols)
    return _Segment(
        image.reshape(rows, cols, samples), place=place, first_sample=sample
    )


def _plain_rows(
    header: TiffHeader, level: TiffLevel, page: StoredPage, region: Region
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows of a page that is neither compressed nor cut: first sample, pixels."""
    samples = 1 if level.is_planar else header.samples
    dtype = np.dtype(header.file.byteorder + header.stored_dtype.char)
    row_bytes = level.stored.cols * samples * dtype.itemsize
    file = header.file.filehandle
    for layer in range(header.samples if level.is_planar else 1):
        first_row = layer * level.stored.rows + region.top
        file.seek(page.offsets[0] + first_row * row_bytes)
        data = file.read(region.rows * row_bytes)
        block = np.frombuffer(data, dtype).reshape(region.rows, -1, samples)
        yield layer, block[:, region.left : region.right]
