"""TIFF of every depth, layout and compression, read tile by tile or strip by strip."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffFrame, TiffPage

from segx.errors import ScanError
from segx.geometry import Region
from segx.scans.damage import reading
from segx.scans.scan import Scan
from segx.scans.tiff_header import TiffHeader, read_header

__all__ = ["TiffScan"]

_CACHE_BYTES = 256 * 2**20


class TiffScan(Scan):
    """One plane of a TIFF: grey, RGB, palette or any number of channels.

    Channels may lie side by side, in planes or, where the file says so, in pages. The
    orientation tag is applied and white-is-zero is inverted, so that what is read is
    what is seen. Of a pyramid, the full resolution is read.

    Args:
        path: The file.
        as_mask: Read a palette's indices instead of its colours, and black-and-white
            as 0 and 1 instead of 0 and 255.

    Raises:
        ScanError: If the file is missing, damaged or cut short, holds several planes,
            or has colours or values of an unsupported kind.
    """

    def __init__(self, path: Path, *, as_mask: bool = False) -> None:
        with reading(path):
            self._file = TiffFile(path)
        try:
            with reading(path):
                self._header = read_header(path, self._file)
        except ScanError:
            self._file.close()
            raise
        self._as_mask = as_mask
        self._decoded: OrderedDict[tuple[int, int], _Segment] = OrderedDict()
        header = self._header
        as_colours = header.palette is not None and not as_mask
        is_bilevel = header.stored_dtype == np.bool_
        super().__init__(
            path,
            extent=header.orientation.upright_extent(header.stored),
            channels=3 if as_colours else header.channels,
            dtype=np.dtype(np.uint8)
            if as_colours or is_bilevel
            else header.stored_dtype,
            spacing_mm=header.spacing_mm,
        )

    def close(self) -> None:
        """Let go of the file and of the tiles that were kept."""
        self._file.close()
        self._decoded.clear()

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        header = self._header
        if self._file.filehandle.closed:
            raise ScanError(f"{self.path} was closed. Open it again to read it.")
        inside = header.orientation.stored_region(region, stored=header.stored)
        with reading(self.path):
            planes = [self._page(page, inside) for page in range(len(header.pages))]
        stored = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
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

    def _page(self, page: int, region: Region) -> NDArray[Any]:
        """A stored region of one page, (rows, cols, samples)."""
        header = self._header
        shape = (region.rows, region.cols, header.samples)
        values = np.empty(shape, header.stored_dtype)
        if header.is_plain:
            for sample, block in _plain_rows(header, header.pages[page], region):
                values[..., sample : sample + block.shape[2]] = block
            return values
        for number in header.segments(region):
            segment = self._segment(page, number)
            segment.paste(values, region)
        return values

    def _segment(self, page: int, number: int) -> "_Segment":
        """A decoded tile or strip; the last ones are kept, as neighbours share them."""
        key = (page, number)
        if key not in self._decoded:
            self._decoded[key] = _decode(self._header, self._header.pages[page], number)
            kept = sum(item.values.nbytes for item in self._decoded.values())
            while kept > _CACHE_BYTES and len(self._decoded) > 1:
                kept -= self._decoded.popitem(last=False)[1].values.nbytes
        self._decoded.move_to_end(key)
        return self._decoded[key]


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


def _decode(header: TiffHeader, page: TiffPage | TiffFrame, number: int) -> _Segment:
    """Read and decode one tile or strip."""
    file = header.file.filehandle
    file.seek(page.dataoffsets[number])
    data = file.read(page.databytecounts[number]) or None
    tables: dict[str, Any] = {}
    if page.jpegtables is not None:
        tables = {"jpegtables": page.jpegtables, "jpegheader": header.page.jpegheader}
    values, (sample, _, top, left, _), shape = header.page.decode(
        data, number, _fullsize=False, **tables
    )
    # A tile without data is one that the scanner skipped: blank by definition.
    image = np.full(shape, header.page.nodata) if values is None else values
    rows, cols, samples = image.shape[1:]
    place = Region(top, left, rows, cols)
    return _Segment(
        image.reshape(rows, cols, samples), place=place, first_sample=sample
    )


def _plain_rows(
    header: TiffHeader, page: TiffPage | TiffFrame, region: Region
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Rows of a page that is neither compressed nor cut: first sample, pixels."""
    samples = 1 if header.is_planar else header.samples
    dtype = np.dtype(header.file.byteorder + header.stored_dtype.char)
    row_bytes = header.stored.cols * samples * dtype.itemsize
    file = header.file.filehandle
    for plane in range(header.samples if header.is_planar else 1):
        first_row = plane * header.stored.rows + region.top
        file.seek(page.dataoffsets[0] + first_row * row_bytes)
        data = file.read(region.rows * row_bytes)
        block = np.frombuffer(data, dtype).reshape(region.rows, -1, samples)
        yield plane, block[:, region.left : region.right]
