"""The region of interest: where a prediction is wanted, by a mask or by polygons."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import PLACE_ROUNDING_MM, TURN_ROUNDING, Region
from segx.scans.channels import match_channels
from segx.scans.closing import Closing
from segx.scans.damage import reading
from segx.scans.files import IMAGE_SUFFIXES, is_volume, open_scan
from segx.scans.resize import nearest
from segx.scans.scan import Scan
from segx.scans.suffix import split_suffix, suffix_of

__all__ = [
    "Interest",
    "PaintedInterest",
    "PolygonInterest",
    "interest_file",
    "open_interest",
]

_POLYGONS = (".geojson", ".json")

_Rings = list[NDArray[np.float64]]

_BLOCK_ROWS = 512  # that are looked at together


class Interest(Closing, ABC):
    """Tells pixels of a scan that lie inside from those that do not.

    Use it in a ``with`` block, as a `Scan`.
    """

    @abstractmethod
    def inside(self, region: Region, *, plane: int = 0) -> NDArray[np.bool_]:
        """Which pixels of a region of the scan lie inside, shape (rows, cols)."""

    def pixels_of(self, scan: Scan) -> int:
        """Number of pixels of a scan, over all planes, that lie inside."""
        return sum(self._counts(scan))

    def covers(self, scan: Scan) -> bool:
        """Whether any pixel of a scan lies inside; the first one ends the search."""
        return any(self._counts(scan))

    def is_outside(self, tile: Region, scan: Scan, *, plane: int = 0) -> bool:
        """Whether no pixel of a tile, which may reach beyond the scan, lies inside."""
        return not self.inside(tile.within(scan.extent), plane=plane).any()

    def _counts(self, scan: Scan) -> Iterator[int]:
        """Pixels inside, of each block of rows."""
        extent = scan.extent
        for plane in range(scan.planes):
            for top in range(0, extent.rows, _BLOCK_ROWS):
                rows = min(_BLOCK_ROWS, extent.rows - top)
                block = Region(top, 0, rows, extent.cols)
                yield int(np.count_nonzero(self.inside(block, plane=plane)))


def open_interest(path: Path, *, like: Scan, axis: int = 0) -> Interest:
    """Read GeoJSON, or open a mask of the scan's shape at any size.

    Args:
        path: Polygons in pixels of the full resolution, as QuPath writes them, or an
            image whose pixels above 0 lie inside; or a folder with such a file for
            each scan, of the scan's stem.
        like: The scan.
        axis: Of a volume, the axis that the scan is cut along.

    Raises:
        ScanError: If the file can't be read, holds no polygon, or is a mask of another
            shape, or of a volume that lies elsewhere; if it covers no pixel of the
            scan; or if the folder holds none, or several, for the scan.
    """
    file = interest_file(path, like=like)
    interest: Interest
    if suffix_of(file) in _POLYGONS:
        interest = PolygonInterest(_read_polygons(file), scale=like.level0_scale)
    else:
        interest = PaintedInterest(file, like=like, axis=axis)
    if not interest.covers(like):
        interest.close()
        raise ScanError(
            f"The region {file} covers no pixel of {like.path.name} ({like.extent} "
            "px); check its coordinates."
        )
    return interest


def interest_file(path: Path, *, like: Scan) -> Path:
    """The file for a scan: the one given, or the one of its stem in a folder.

    Raises:
        ScanError: If the folder holds none, or several.
    """
    return _file_for(like.path, path) if path.is_dir() else path


class PaintedInterest(Interest):
    """The pixels that a mask marks with anything above 0.

    Args:
        path: The mask. It may be smaller or larger than the scan: each pixel of the
            scan looks at the mask's nearest one.
        like: The scan.
        axis: Of a volume, the axis that the scan is cut along.

    Raises:
        ScanError: If the mask can't be read, has another shape than the scan, or lies
            elsewhere.
    """

    def __init__(self, path: Path, *, like: Scan, axis: int = 0) -> None:
        self._extent = like.extent
        own_axis = axis if is_volume(path) else 0
        self._mask = open_scan(path, as_mask=True, axis=own_axis)
        try:
            _check_shape(self._mask, like)
            _check_place(self._mask, like)
        except ScanError:
            self.close()
            raise

    def inside(self, region: Region, *, plane: int = 0) -> NDArray[np.bool_]:
        """Which pixels of a region of the scan lie inside, shape (rows, cols)."""
        mask = self._mask
        down, across = region.slices
        rows = nearest(mask.extent.rows, self._extent.rows)[down]
        cols = nearest(mask.extent.cols, self._extent.cols)[across]
        covered = Region(
            int(rows[0]),
            int(cols[0]),
            int(rows[-1] - rows[0]) + 1,
            int(cols[-1] - cols[0]) + 1,
        )
        pixels = mask.read(covered, plane=min(plane, mask.planes - 1))
        if mask.channels in {2, 4}:  # an opaque alpha channel marks nothing
            pixels = match_channels(pixels, mask.channels - 1, source=mask.path)
        marked = np.asarray((pixels > 0).any(axis=2), np.bool_)
        return marked[np.ix_(rows - rows[0], cols - cols[0])]

    def close(self) -> None:
        """Let go of the file."""
        self._mask.close()


class PolygonInterest(Interest):
    """The pixels whose centres lie inside at least one polygon.

    Args:
        polygons: Of each its rings, shape (points, 2), as (x, y) in pixels of the full
            resolution; (0, 0) is the outer corner of the first pixel. Rings after the
            first are holes.
        scale: Rows and columns of the full resolution in one of the scan.
    """

    def __init__(
        self, polygons: Sequence[_Rings], *, scale: tuple[float, float] = (1, 1)
    ) -> None:
        down, across = scale
        edges = [_edges(rings, (across, down)) for rings in polygons]
        # A click that drew no area has none.
        self._edges = [item for item in edges if len(item)]

    def inside(self, region: Region, *, plane: int = 0) -> NDArray[np.bool_]:
        """Which pixels of a region of the scan lie inside, shape (rows, cols)."""
        found = np.zeros((region.rows, region.cols), np.bool_)
        for edges in self._edges:
            lowest, highest = edges[:, 1].min(), edges[:, 3].max()
            first = max(0, int(lowest) - region.top)
            last = min(region.rows, int(np.ceil(highest)) - region.top)
            for row in range(first, last):
                found[row] |= _row_inside(edges, region.top + row + 0.5, region)
        return found


def _row_inside(
    edges: NDArray[np.float64], height: float, region: Region
) -> NDArray[np.bool_]:
    """Whether pixel centres of one row lie inside, by the even-odd rule.

    References:
        Foley et al. 1990, Computer Graphics, section 3.6: scan-line filling.
    """
    x0, y0, x1, y1 = edges[(edges[:, 1] <= height) & (height < edges[:, 3])].T
    crossings = x0 + (height - y0) * (x1 - x0) / (y1 - y0) - region.left
    # A centre at col + 0.5 lies right of a crossing from the column after it on.
    columns = np.clip(np.ceil(crossings - 0.5), 0, region.cols).astype(np.intp)
    passed = np.bincount(columns, minlength=region.cols + 1)[: region.cols]
    return np.asarray(np.cumsum(passed) % 2 == 1)


def _edges(rings: _Rings, scale: tuple[float, float]) -> NDArray[np.float64]:
    """Sides of all rings that are not level, (sides, 4): upper x, y, lower x, y."""
    sides = []
    for ring in rings:
        points = ring / scale
        sides.append(np.concatenate([points, np.roll(points, -1, axis=0)], axis=1))
    edges = np.concatenate(sides)
    edges = edges[edges[:, 1] != edges[:, 3]]
    upside_down = edges[:, 1] > edges[:, 3]
    edges[upside_down] = edges[upside_down][:, [2, 3, 0, 1]]
    return np.asarray(edges, np.float64)


def _file_for(scan: Path, folder: Path) -> Path:
    """The file of a folder that has a scan's stem."""
    stem = split_suffix(scan)[0]
    known = (*_POLYGONS, *IMAGE_SUFFIXES)
    found = [
        item
        for item in sorted(folder.iterdir())
        if split_suffix(item)[0] == stem and suffix_of(item) in known
    ]
    if len(found) != 1:
        names = ", ".join(item.name for item in found) or "none"
        raise ScanError(
            f"Of regions for {scan.name}, {folder} holds {names}; it must hold one, "
            f"such as {stem}.geojson or {stem}.png."
        )
    return found[0]


def _check_shape(mask: Scan, like: Scan) -> None:
    """Refuse a mask that can't lie on the scan."""
    own, scan = mask.extent, like.extent
    # One that was made smaller is off by less than a pixel of its own.
    if abs(own.rows * scan.cols - own.cols * scan.rows) > max(scan.rows, scan.cols):
        raise ScanError(
            f"The region {mask.path} has {own} px, {like.path} has {scan} px: their "
            "shapes differ. Give a mask that covers the whole scan, at any size."
        )
    if mask.planes not in (1, like.planes):
        raise ScanError(
            f"The region {mask.path} has {mask.planes} planes, {like.path} has "
            f"{like.planes}. Give one plane, or as many."
        )


def _check_place(mask: Scan, like: Scan) -> None:
    """Refuse a volume whose voxels lie elsewhere than the scan's."""
    own, scan = mask.space, like.space
    if (
        own is None
        or scan is None
        or (mask.extent, mask.planes)
        != (
            like.extent,
            like.planes,
        )
    ):
        return
    for name, there, here, rounding in (
        ("directions", own.directions, scan.directions, TURN_ROUNDING),
        ("origin in mm", own.origin_mm, scan.origin_mm, PLACE_ROUNDING_MM),
    ):
        if not np.allclose(there, here, atol=rounding):
            raise ScanError(
                f"The region {mask.path} lies elsewhere in the patient than "
                f"{like.path}: its {name} are {np.ravel(there).round(3).tolist()}, not "
                f"{np.ravel(here).round(3).tolist()}. Bring it to the scan's grid."
            )


def _read_polygons(path: Path) -> list[_Rings]:
    """All polygons of a GeoJSON file, whatever they stand in.

    References:
        Butler et al. 2016, The GeoJSON Format, RFC 7946.
    """
    with reading(path):
        polygons = list(_polygons(json.loads(path.read_text(encoding="utf-8"))))
    if not polygons:
        raise ScanError(
            f"The region {path} holds no polygon. Give GeoJSON with Polygon or "
            "MultiPolygon geometries, or a mask."
        )
    return polygons


def _polygons(node: Any) -> Iterator[_Rings]:
    """Polygons of a GeoJSON object, or of a list of them."""
    if isinstance(node, list):
        for item in node:
            yield from _polygons(item)
        return
    kind = node.get("type") if isinstance(node, dict) else None
    if kind == "Polygon":
        yield _rings(node["coordinates"])
    elif kind == "MultiPolygon":
        yield from (_rings(rings) for rings in node["coordinates"])
    elif kind in ("FeatureCollection", "Feature", "GeometryCollection"):
        for name in ("features", "geometry", "geometries"):
            yield from _polygons(node.get(name) or [])


def _rings(coordinates: Any) -> _Rings:
    """Rings as arrays of (x, y); a third coordinate is left out."""
    rings = [np.array([point[:2] for point in ring], float) for ring in coordinates]
    if not rings or any(len(ring) < 3 or not np.isfinite(ring).all() for ring in rings):
        raise ValueError("a polygon needs rings of three points or more, all numbers")
    return rings
