"""A mask as GeoJSON: one annotation an area, as QuPath opens it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.atomic import replacing
from segx.errors import ScanError
from segx.labels import Labels
from segx.scans.boundary import Outline, Ring, Tracer
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink

__all__ = ["Polygons", "annotation"]


class Polygons(MaskSink):
    """A feature for each area of a class whose pixels are joined by their sides.

    Polygons follow the sides of the pixels: an area has as many square pixels as it has
    pixels, and holes stay holes. Coordinates are pixels of the full resolution, (0, 0)
    being the outer corner of the first pixel. Classes of a multilabel mask overlap; the
    background has no feature. In a volume each plane has its own, on QuPath's z.

    Features come in the order in which their areas end, and are written then: memory
    grows with a band and with the outlines of areas that have not ended.

    Args:
        path: Where to.
        like: The scan whose size the mask takes.
        labels: What the mask's values mean, and their colours.
        scale: Rows and columns of the full resolution that one row and one column of
            the mask cover.

    Raises:
        ScanError: If the scale is not above 0, or the folder can't be written.

    References:
        Butler et al. 2016, The GeoJSON Format, RFC 7946, sections 3.1.6 and 3.3; the
        members `objectType`, `classification` and `plane` are QuPath's.
    """

    holds_planes = True

    def __init__(
        self,
        path: Path,
        *,
        like: Scan,
        labels: Labels,
        scale: tuple[float, float] = (1, 1),
    ) -> None:
        if not min(scale) > 0:
            raise ScanError(
                f"{path}: {scale} rows and columns of the full resolution can't be one "
                "row and column of a mask. Give two numbers above 0."
            )
        self._scale = scale
        super().__init__(path, like=like, labels=labels)

    def _open(self, files: ExitStack, *, like: Scan) -> None:
        temporary = files.enter_context(replacing(self.path))
        self._file = files.enter_context(temporary.open("w", encoding="utf-8"))
        self._file.write('{"type": "FeatureCollection", "features": [')
        self._separator = "\n"
        self._tracers = [Tracer(like.extent.cols) for _ in self.labels.foreground]

    def _append(self, mask: NDArray[np.uint8]) -> None:
        areas = zip(self._tracers, self._areas(mask), strict=True)
        self._write([tracer.add(area) for tracer, area in areas])
        if self._rows_done + len(mask) == self.extent.rows:
            self._write([tracer.finish() for tracer in self._tracers])

    def _finish(self) -> None:
        self._file.write("\n]}\n")

    def _areas(self, mask: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
        """Where each class is, shape (rows, cols); the background is left out."""
        for index in range(len(self.labels.foreground)):
            if self.labels.kind == "multilabel":
                yield mask[..., index] == 1
            else:
                yield mask == index + 1

    def _write(self, outlines: list[list[Outline]]) -> None:
        """Write what each class gave, in an order that does not depend on the bands."""
        found = [
            (item, index) for index, items in enumerate(outlines) for item in items
        ]
        for outline, index in sorted(found, key=lambda pair: (pair[0].end, pair[1])):
            feature = self._feature(outline, self.labels.foreground[index])
            self._file.write(self._separator + json.dumps(feature))
            self._separator = ",\n"

    def _feature(self, outline: Outline, name: str) -> dict[str, Any]:
        feature = annotation(
            [self._coordinates(ring) for ring in outline.rings],
            name=name,
            labels=self.labels,
        )
        if self.planes > 1:
            feature["geometry"]["plane"] = {"c": -1, "z": self._plane, "t": 0}
        return feature

    def _coordinates(self, ring: Ring) -> list[tuple[float, float]]:
        """Corners (x, y) at the full resolution; the last one is the first again."""
        down, across = self._scale
        return [(col * across, row * down) for col, row in (*ring, ring[0])]


def annotation(
    rings: list[list[tuple[float, float]]], *, name: str, labels: Labels
) -> dict[str, Any]:
    """A feature of GeoJSON, as QuPath has its annotations.

    Args:
        rings: Corners (x, y) in pixels of the full resolution, each ring closed; the
            outer one first.
        name: Name of its class.
        labels: Has the class's colour.
    """
    colour = labels.colours[labels.names.index(name)]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": rings},
        "properties": {
            "objectType": "annotation",
            "classification": {"name": name, "color": colour},
        },
    }
