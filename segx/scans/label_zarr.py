"""A mask as an OME-Zarr label image, written by rows of chunks."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segx.atomic import replacing_folder
from segx.geometry import Extent
from segx.labels import Labels
from segx.scans.ome_zarr import VERSION, Axis, multiscale_metadata
from segx.scans.pyramid import PyramidLevel
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink
from segx.scans.zarr import require_zarr

if TYPE_CHECKING:
    import zarr

__all__ = ["LabelZarr"]

_CHUNK = Extent(1024, 1024)


class LabelZarr(MaskSink):
    """A multiscale label image in a folder of its own; of a multilabel mask c is class.

    The folder appears when the mask is whole. The same mask gives the same bytes.

    References:
        https://ngff.openmicroscopy.org/0.5/#labels-md
    """

    holds_planes: ClassVar[bool] = True

    def _open(self, files: ExitStack, *, like: Scan) -> None:
        require_zarr(self.path)
        import zarr

        down, across = like.spacing_mm or (None, None)
        deep = None if like.space is None else like.space.spacing_mm[0]
        is_multilabel = self.labels.kind == "multilabel"
        self._axes = (
            *((Axis("c"),) if is_multilabel else ()),
            *((Axis("z", deep),) if self.planes > 1 else ()),
            Axis("y", down),
            Axis("x", across),
        )
        folder = files.enter_context(replacing_folder(self.path))
        self._levels = PyramidLevel.all_of(self.extent)
        group = zarr.create_group(folder, zarr_format=3)
        names = "".join(axis.name for axis in self._axes)
        self._streams = [
            _LevelStream(
                self._create(group, str(number), level.extent), level, axes=names
            )
            for number, level in enumerate(self._levels)
        ]
        group.attrs["ome"] = self._metadata()

    def _append(self, mask: NDArray[np.uint8]) -> None:
        is_last = self._rows_done + len(mask) == self.extent.rows
        for stream in self._streams:
            stream.write(mask, top=self._rows_done, plane=self._plane, is_last=is_last)

    def _finish(self) -> None:
        """Nothing comes after the last row."""

    def _create(
        self, group: "zarr.Group", name: str, extent: Extent
    ) -> "zarr.Array[Any]":
        """The array of a level."""
        from zarr.codecs import ZstdCodec

        sizes = {"c": len(self.labels.names), "z": self.planes}
        sizes |= {"y": extent.rows, "x": extent.cols}
        chunks = {"c": 1, "z": 1, "y": _CHUNK.rows, "x": _CHUNK.cols}
        names = [axis.name for axis in self._axes]
        return group.create_array(
            name,
            shape=tuple(sizes[axis] for axis in names),
            chunks=tuple(min(chunks[axis], sizes[axis]) for axis in names),
            dtype=np.uint8,
            compressors=[ZstdCodec(level=3)],
            fill_value=0,
            dimension_names=names,
        )

    def _metadata(self) -> dict[str, Any]:
        scales = [
            [{"y": down, "x": across}.get(axis.name, 1.0) for axis in self._axes]
            for down, across in (level.scale for level in self._levels)
        ]
        name = self.path.name.partition(".")[0]
        return {
            "version": VERSION,
            "multiscales": [multiscale_metadata(self._axes, scales, name=name)],
            **_meaning(self.labels),
        }


def _meaning(labels: Labels) -> dict[str, Any]:
    """Names and colours: of the ids, or of a multilabel mask's channels."""
    classes = list(zip(labels.names, labels.colours, strict=True))
    if labels.kind == "multilabel":
        window = {"min": 0, "max": 1, "start": 0, "end": 1}
        channels = [
            {"label": name, "color": bytes(colour).hex().upper(), "window": window}
            for name, colour in classes
        ]
        return {"omero": {"channels": channels}}
    return {
        "image-label": {
            "colors": [
                {"label-value": value, "rgba": [*colour, 255 if value else 0]}
                for value, (_, colour) in enumerate(classes)
            ],
            "properties": [
                {"label-value": value, "name": name}
                for value, (name, _) in enumerate(classes)
            ],
        }
    }


class _LevelStream:
    """Collects a level's rows until they fill a row of chunks, and writes that."""

    def __init__(
        self, array: "zarr.Array[Any]", level: PyramidLevel, *, axes: str
    ) -> None:
        self._array, self._level, self._axes = array, level, axes
        self._waiting: list[NDArray[np.uint8]] = []
        self._top = 0

    def write(
        self, mask: NDArray[np.uint8], *, top: int, plane: int, is_last: bool
    ) -> None:
        """Take a band of the full mask, (rows, cols[, classes])."""
        self._waiting.append(self._level.pick(mask, top))
        rows = sum(map(len, self._waiting))
        whole = rows if is_last else rows - rows % _CHUNK.rows
        if whole:
            band = np.concatenate(self._waiting)
            # A copy, or the rows that were written would stay in memory.
            self._waiting = [band[whole:].copy()]
            self._store(band[:whole], plane)
        if is_last:
            self._waiting, self._top = [], 0

    def _store(self, band: NDArray[np.uint8], plane: int) -> None:
        rows = slice(self._top, self._top + len(band))
        every = slice(None)
        places: dict[str, slice | int] = {"c": every, "z": plane, "y": rows, "x": every}
        layers = np.moveaxis(band, 2, 0) if band.ndim == 3 else band
        self._array[tuple(places[axis] for axis in self._axes)] = layers
        self._top += len(band)
