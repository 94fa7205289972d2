"""A mask as a tiled TIFF whose pixels are class ids, shown in the classes' colours."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from segx.atomic import replacing
from segx.geometry import Extent
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink

__all__ = ["LabelTiff"]

_TILE = Extent(256, 256)
_LARGEST_CLASSIC = 2**32 - 2**25  # offsets are 32 bits wide, less some for the tags


class LabelTiff(MaskSink):
    """A palette TIFF in compressed tiles; of a multilabel mask one plane a class.

    Bands are spooled to an unnamed file in the same folder, for a TIFF's tiles are
    written by their own height; the spool vanishes with the process.
    """

    def _open(self, files: ExitStack, *, like: Scan) -> None:
        self._spacing_mm = like.spacing_mm
        is_multilabel = self.labels.kind == "multilabel"
        self._planes = len(self.labels.names) if is_multilabel else 1
        self._temporary = files.enter_context(replacing(self.path))
        spool = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115 — `files` closes it
        self._spool = files.enter_context(spool)

    def _append(self, mask: NDArray[np.uint8]) -> None:
        self._spool.write(mask.data)

    def _finish(self) -> None:
        extent, planes = self.extent, self._planes
        colouring: dict[str, Any] = {
            "photometric": "palette",
            "colormap": self._colours(),
        }
        shape: tuple[int, ...] = (extent.rows, extent.cols)
        if planes > 1:
            colouring = {"photometric": "minisblack", "planarconfig": "separate"}
            shape = (planes, *shape)
        if self._spacing_mm is not None:
            down, across = self._spacing_mm
            colouring["resolution"] = (10 / across, 10 / down)
            colouring["resolutionunit"] = "CENTIMETER"
        is_big = extent.pixels * planes > _LARGEST_CLASSIC
        with TiffWriter(self._temporary, bigtiff=is_big) as writer:
            writer.write(
                self._tiles(),
                shape=shape,
                dtype=np.uint8,
                tile=(_TILE.rows, _TILE.cols),
                compression="zlib",
                software="segx",
                metadata=None,
                **colouring,
            )

    def _colours(self) -> NDArray[np.uint16]:
        """The colour table: 16 bits a colour, (3, 256)."""
        table = np.zeros((256, 3), np.uint16)
        table[: len(self.labels.colours)] = self.labels.colours
        return (table * 257).T.copy()

    def _tiles(self) -> Iterator[NDArray[np.uint8]]:
        """Tiles in the file's order: planes, then rows, then columns."""
        extent, planes = self.extent, self._planes
        for plane in range(planes):
            self._spool.seek(0)
            for top in range(0, extent.rows, _TILE.rows):
                rows = min(_TILE.rows, extent.rows - top)
                data = self._spool.read(rows * extent.cols * planes)
                band = np.frombuffer(data, np.uint8).reshape(rows, extent.cols, planes)
                yield from _cut(band[..., plane])


def _cut(band: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Cut a band, (rows, cols), into tiles; the last ones are filled up with 0."""
    rows, cols = band.shape
    padded = np.pad(band, ((0, _TILE.rows - rows), (0, -cols % _TILE.cols)))
    for left in range(0, cols, _TILE.cols):
        yield padded[:, left : left + _TILE.cols]
