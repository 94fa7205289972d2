"""A scan seen at another resolution, the same pixels however it is cut."""

import logging
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Extent, Region, Space, Vector
from segx.scans.scan import Scan

__all__ = ["ResolvedScan", "at_resolution"]

_logger = logging.getLogger(__name__)

_PIECE = 2**22  # stored pixels that are resized at once
_SAME = 0.01  # levels whose pixels differ by less from what is wanted are taken as it


def at_resolution(
    scan: Scan,
    *,
    level: int | None = None,
    mpp: float | None = None,
    pixel_mm: tuple[float, float] | None = None,
) -> Scan:
    """Present a scan at another working resolution.

    A level whose pixels are within 1 % of the size wanted is taken as it is; else the
    next finer one is resized, antialiased, on one grid for the whole scan.

    Args:
        scan: The scan; closing the result closes it.
        level: Number of the pyramid's level to work at, from 0.
        mpp: Size of a pixel to work at, in micrometres. Beyond the full resolution it
            is interpolated.
        pixel_mm: Height and width of the full resolution's pixels, for a scan that does
            not tell them, or tells them wrong.

    Returns:
        The scan itself, if nothing is asked of it.

    Raises:
        ScanError: If both `level` and `mpp` are given, there is no such level, a size
            is not positive, or `mpp` is asked of a scan of unknown pixel size.
    """
    if level is not None and mpp is not None:
        raise ScanError(
            f"Level {level} and {mpp:g} µm a pixel were asked of {scan.path}. Give one."
        )
    for size in (*(pixel_mm or ()), *(() if mpp is None else (mpp,))):
        if not 0 < size < math.inf:
            raise ScanError(f"A pixel can't be {size:g} large. Give a size above 0.")
    spacing_mm = scan.spacing_mm if pixel_mm is None else pixel_mm
    if pixel_mm is not None and scan.spacing_mm not in (None, pixel_mm):
        _logger.warning(
            "%s says that its pixels are %s mm; %s mm is taken, as it was given.",
            scan.path,
            *("{:g} x {:g}".format(*size) for size in (scan.spacing_mm, pixel_mm)),
        )
    if level is not None:
        _refuse_missing_level(scan, level)
        return ResolvedScan(scan, level=level, spacing_mm=spacing_mm)
    if mpp is not None:
        if spacing_mm is None:
            raise ScanError(
                f"{scan.path} does not tell the size of its pixels, so that {mpp:g} µm "
                "a pixel can't be found. Give the size with --pixel-size, or choose a "
                f"level: --level 0 to {len(scan.levels) - 1}."
            )
        return _at_mpp(scan, mpp / 1000, spacing_mm)
    if pixel_mm is not None:
        return ResolvedScan(scan, level=0, spacing_mm=spacing_mm)
    return scan


class ResolvedScan(Scan):
    """One level of a scan, resized where `extent` differs from it.

    Args:
        scan: The scan that is read.
        level: The level that is read.
        spacing_mm: Height and width of the full resolution's pixels, if known.
        extent: Size to resize the level to; None for its own.
    """

    def __init__(
        self,
        scan: Scan,
        *,
        level: int,
        spacing_mm: tuple[float, float] | None,
        extent: Extent | None = None,
    ) -> None:
        stored = scan.levels[level]
        extent = stored if extent is None else extent
        full = scan.levels[0]
        down, across = full.rows / extent.rows, full.cols / extent.cols
        space = _resized(scan.space, spacing_mm, (down, across))
        if spacing_mm is not None:
            spacing_mm = spacing_mm[0] * down, spacing_mm[1] * across
        super().__init__(
            scan.path,
            extent=extent,
            channels=scan.channels,
            dtype=scan.dtype,
            planes=scan.planes,
            spacing_mm=spacing_mm,
            space=space,
        )
        self.level0_scale = (
            scan.level0_scale[0] * down,
            scan.level0_scale[1] * across,
        )
        self._scan, self._level = scan, level
        self._rows = _Filter.between(stored.rows, extent.rows)
        self._cols = _Filter.between(stored.cols, extent.cols)
        self._is_resized = extent != stored

    @property
    def source(self) -> Scan:
        """The scan that is read."""
        return self._scan

    def close(self) -> None:
        """Close the scan that is read."""
        self._scan.close()

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        if not self._is_resized:
            return self._scan.read(region, plane=plane, level=self._level)
        top, bottom = self._rows.reach(region.top, region.bottom)
        left, right = self._cols.reach(region.left, region.right)
        source = Region(top, left, bottom - top, right - left)
        if source.extent.pixels > _PIECE and region.extent.pixels > 1:
            parts = [self._read(half, plane=plane, level=0) for half in _halves(region)]
            return np.concatenate(parts, axis=0 if region.rows > 1 else 1)
        pixels = self._scan.read(source, plane=plane, level=self._level)
        exact = np.float64 if self.dtype.itemsize > 2 else np.float32
        values: NDArray[Any] = pixels.astype(exact)
        values = self._rows.apply(values, region.top, region.bottom)
        values = values.swapaxes(0, 1)
        values = self._cols.apply(values, region.left, region.right)
        return _as_stored(values.swapaxes(0, 1), self.dtype)


@dataclass(frozen=True)
class _Filter:
    """Linear interpolation along one axis, antialiased where the axis shrinks.

    Weights and the order in which products are summed depend on a pixel's place in
    the whole scan alone; so does, to the last bit, its value.

    Args:
        first: The first stored pixel that each new one is made of, (pixels,).
        weights: Weights of that and the following stored pixels, (taps, pixels).
        stored: Number of stored pixels.
    """

    first: NDArray[np.intp]
    weights: NDArray[np.float64]
    stored: int

    @classmethod
    def between(cls, stored: int, wanted: int) -> "_Filter":
        """The filter from a number of stored pixels to another one."""
        scale = stored / wanted
        support = max(scale, 1.0)
        taps = min(math.ceil(support) * 2 + 1, stored)
        centres = (np.arange(wanted) + 0.5) * scale
        first = np.floor(centres - support + 0.5).astype(np.intp)
        first = np.clip(first, 0, stored - taps)
        places = first + np.arange(taps)[:, np.newaxis] + 0.5
        weights = np.maximum(1 - np.abs(places - centres) / support, 0)
        return cls(first, weights / weights.sum(axis=0), stored)

    def reach(self, begin: int, end: int) -> tuple[int, int]:
        """First and last + 1 of the stored pixels that new ones are made of."""
        return int(self.first[begin]), int(self.first[end - 1]) + len(self.weights)

    def apply(self, values: NDArray[Any], begin: int, end: int) -> NDArray[Any]:
        """Make new pixels along the first axis of the stored ones in their reach."""
        first = self.first[begin:end] - self.first[begin]
        weights = self.weights[:, begin:end].astype(values.dtype)
        shape = (-1, *(1,) * (values.ndim - 1))
        made: NDArray[Any] = values[first] * weights[0].reshape(shape)
        for tap in range(1, len(weights)):
            made += values[first + tap] * weights[tap].reshape(shape)
        return made


def _halves(region: Region) -> tuple[Region, Region]:
    """Two halves, one below the other, or side by side where there is but one row."""
    top, left, rows, cols = region.top, region.left, region.rows, region.cols
    if rows > 1:
        upper = rows // 2
        return (
            Region(top, left, upper, cols),
            Region(top + upper, left, rows - upper, cols),
        )
    first = cols // 2
    return Region(top, left, 1, first), Region(top, left + first, 1, cols - first)


def _at_mpp(scan: Scan, wanted_mm: float, spacing_mm: tuple[float, float]) -> Scan:
    """The best level for a pixel size, resized if it is not that size."""
    full = scan.levels[0]
    best = 0
    for level, extent in enumerate(scan.levels):
        factors = full.rows / extent.rows, full.cols / extent.cols
        sizes = spacing_mm[0] * factors[0], spacing_mm[1] * factors[1]
        if all(abs(size / wanted_mm - 1) <= _SAME for size in sizes):
            return ResolvedScan(scan, level=level, spacing_mm=spacing_mm)
        if max(sizes) <= wanted_mm and extent.pixels <= scan.levels[best].pixels:
            best = level
    wanted = Extent(
        max(1, round(full.rows * spacing_mm[0] / wanted_mm)),
        max(1, round(full.cols * spacing_mm[1] / wanted_mm)),
    )
    return ResolvedScan(scan, level=best, spacing_mm=spacing_mm, extent=wanted)


def _refuse_missing_level(scan: Scan, level: int) -> None:
    if not 0 <= level < len(scan.levels):
        sizes = ", ".join(
            f"{number}: {extent} px" for number, extent in enumerate(scan.levels)
        )
        raise ScanError(f"{scan.path} has no level {level}, but {sizes}.")


def _resized(
    space: Space | None,
    spacing_mm: tuple[float, float] | None,
    scale: tuple[float, float],
) -> Space | None:
    """A volume's place when each plane is resized: its corners stay where they are."""
    if space is None or spacing_mm is None:
        return space
    planes, rows, cols = space.spacing_mm[0], *spacing_mm
    _, down, across = space.directions
    # The centre of the first pixel moves away from the corner.
    shifts = (scale[0] - 1) / 2 * rows, (scale[1] - 1) / 2 * cols
    x, y, z = (
        origin + shifts[0] * along_rows + shifts[1] * along_cols
        for origin, along_rows, along_cols in zip(
            space.origin_mm, down, across, strict=True
        )
    )
    origin: Vector = (x, y, z)
    spacing = planes, rows * scale[0], cols * scale[1]
    return replace(space, spacing_mm=spacing, origin_mm=origin)


def _as_stored(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in the scan's own type; whole numbers are rounded."""
    if dtype.kind == "f":
        return np.ascontiguousarray(values, dtype)
    limits = np.iinfo(dtype)
    return np.ascontiguousarray(np.rint(values).clip(limits.min, limits.max), dtype)
