"""A mask as a PNG whose pixels are class ids, shown in the classes' colours."""

import struct
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from segx.atomic import replacing
from segx.geometry import Extent
from segx.labels import Labels
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink
from segx.scans.suffix import class_files

__all__ = ["IndexedPng"]

_BLACK = (0, 0, 0)
_Colours = tuple[tuple[int, int, int], ...]


class IndexedPng(MaskSink):
    """A palette PNG; of a multilabel mask one file a class, see `class_files`."""

    @classmethod
    def files(cls, path: Path, labels: Labels) -> tuple[Path, ...]:
        """The file itself, or one a class of a multilabel mask."""
        return class_files(path, labels)

    def _open(self, files: ExitStack, *, like: Scan) -> None:
        colours = self.labels.colours
        palettes: list[_Colours] = [colours]
        if self.labels.kind == "multilabel":
            palettes = [(_BLACK, colour) for colour in colours]
        self._streams = []
        for path, palette in zip(self.paths, palettes, strict=True):
            temporary = files.enter_context(replacing(path))
            file = files.enter_context(temporary.open("wb"))
            self._streams.append(_PngStream(file, like.extent, palette=palette))

    def _append(self, mask: NDArray[np.uint8]) -> None:
        layers = mask.reshape(*mask.shape[:2], -1)
        for index, stream in enumerate(self._streams):
            stream.write(layers[..., index])

    def _finish(self) -> None:
        for stream in self._streams:
            stream.finish()


class _PngStream:
    """Writes a palette PNG row by row: no more than a band is held in memory.

    References:
        Portable Network Graphics (PNG) Specification, third edition, W3C 2025,
        sections 5 and 11: https://www.w3.org/TR/png-3/
    """

    def __init__(self, file: BinaryIO, extent: Extent, *, palette: _Colours) -> None:
        self._file = file
        self._deflate = zlib.compressobj(level=6)
        # 8 bits, colour type 3 (palette), default compression and filters, no interlace
        header = struct.pack(">IIBBBBB", extent.cols, extent.rows, 8, 3, 0, 0, 0)
        file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", header)
        self._chunk(b"PLTE", bytes(value for colour in palette for value in colour))

    def write(self, indices: NDArray[np.uint8]) -> None:
        """Write rows of palette indices, shape (rows, cols)."""
        # Each row begins with its filter's number: 0, none, is best for ids.
        rows = np.pad(indices, ((0, 0), (1, 0)))
        self._data(self._deflate.compress(rows.tobytes()))

    def finish(self) -> None:
        """Write what the compressor still holds, and the end."""
        self._data(self._deflate.flush())
        self._chunk(b"IEND", b"")

    def _data(self, compressed: bytes) -> None:
        if compressed:
            self._chunk(b"IDAT", compressed)

    def _chunk(self, kind: bytes, data: bytes) -> None:
        checksum = zlib.crc32(kind + data)
        self._file.write(struct.pack(">I", len(data)) + kind + data)
        self._file.write(struct.pack(">I", checksum))
