"""A mask as a pyramidal OME-TIFF whose pixels are class ids, with their colours."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from segx.atomic import replacing
from segx.geometry import Extent
from segx.scans.ome_xml import ome_xml
from segx.scans.pyramid import PyramidLevel
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink
from segx.scans.tiff_tiles import TILE, cut, resolution_tags

__all__ = ["LabelTiff"]

_LARGEST_CLASSIC = 2**32 - 2**25  # offsets are 32 bits wide, less some for the tags


class LabelTiff(MaskSink):
    """A palette TIFF in compressed tiles, with smaller levels where the mask is large.

    A volume has a page for each plane; a multilabel mask has one for each class, and
    says their names. The same mask gives the same bytes: there is neither a date nor
    an identifier in the file.

    Each level is spooled to an unnamed file in the same folder, for tiles are written
    by their own height, and levels one after the other; the spools vanish with the
    process.

    References:
        OME-TIFF, sub-resolutions: https://ome-model.readthedocs.io/en/stable/ome-tiff/
    """

    holds_planes: ClassVar[bool] = True

    def _open(self, files: ExitStack, *, like: Scan) -> None:
        self._spacing_mm = like.spacing_mm
        self._plane_mm = None if like.space is None else like.space.spacing_mm[0]
        is_multilabel = self.labels.kind == "multilabel"
        self._layers = len(self.labels.names) if is_multilabel else 1
        self._temporary = files.enter_context(replacing(self.path))
        self._levels = PyramidLevel.all_of(self.extent)
        self._spools = [
            files.enter_context(tempfile.TemporaryFile(dir=self.path.parent))  # noqa: SIM115 — `files` closes it
            for _ in self._levels
        ]

    def _append(self, mask: NDArray[np.uint8]) -> None:
        for level, spool in zip(self._levels, self._spools, strict=True):
            spool.write(np.ascontiguousarray(level.pick(mask, self._rows_done)).data)

    def _finish(self) -> None:
        pixels = sum(level.extent.pixels for level in self._levels)
        is_big = pixels * self.planes * self._layers > _LARGEST_CLASSIC
        text = ome_xml(
            self.extent,
            planes=self.planes,
            labels=self.labels,
            pixel_mm=self._spacing_mm,
            plane_mm=self._plane_mm,
        )
        with TiffWriter(self._temporary, bigtiff=is_big) as writer:
            for level, spool in zip(self._levels, self._spools, strict=True):
                is_full = level.factor == 1
                writer.write(
                    self._tiles(level.extent, spool),
                    shape=(self.planes * self._layers, *_shape(level.extent)),
                    dtype=np.uint8,
                    tile=_shape(TILE),
                    compression="zlib",
                    software="segx",
                    metadata=None,
                    description=text.encode() if is_full else None,
                    subifds=len(self._levels) - 1 if is_full else None,
                    subfiletype=0 if is_full else 1,
                    **self._colouring(),
                    **self._resolution(level),
                )

    def _colouring(self) -> dict[str, Any]:
        """How the pages are to be shown."""
        if self.labels.kind == "multilabel":
            return {"photometric": "minisblack"}
        # 16 bits a colour, (3, 256)
        table = np.zeros((256, 3), np.uint16)
        table[: len(self.labels.colours)] = self.labels.colours
        return {"photometric": "palette", "colormap": (table * 257).T.copy()}

    def _resolution(self, level: PyramidLevel) -> dict[str, Any]:
        """The level's pixels a centimetre, where the scan's size is known."""
        if self._spacing_mm is None:
            return {}
        down, across = self._spacing_mm
        rows, cols = level.scale
        return resolution_tags((down * rows, across * cols))

    def _tiles(self, extent: Extent, spool: IO[bytes]) -> Iterator[NDArray[np.uint8]]:
        """Tiles in the file's order: planes, classes, then rows, then columns."""
        row_bytes = extent.cols * self._layers
        for plane in range(self.planes):
            for layer in range(self._layers):
                spool.seek(plane * extent.rows * row_bytes)
                for top in range(0, extent.rows, TILE.rows):
                    rows = min(TILE.rows, extent.rows - top)
                    data = np.frombuffer(spool.read(rows * row_bytes), np.uint8)
                    band = data.reshape(rows, extent.cols, self._layers)
                    yield from cut(band[..., layer])


def _shape(extent: Extent) -> tuple[int, int]:
    return extent.rows, extent.cols
