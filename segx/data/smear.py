"""A stained blood smear under a microscope, painted: cells, light, blur and noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from segx.geometry import Extent

__all__ = ["BACKGROUND", "CYTOPLASM", "NUCLEUS", "paint_smear"]

BACKGROUND, CYTOPLASM, NUCLEUS = range(3)

Plane = NDArray[np.float32]
Patch = tuple[slice, slice]

# Optical density of each stain in red, green and blue light, at strength 1: azure and
# eosin on nuclei, on cytoplasm and on red cells; grains of dirt are grey.
_CHROMATIN = (0.62, 0.80, 0.30)
_PLASMA = (0.34, 0.36, 0.16)
_HAEMOGLOBIN = (0.18, 0.42, 0.34)
_DIRT = (0.55, 0.60, 0.65)
_HAZE = (0.50, 0.90, 0.50)

_LN10 = np.float32(np.log(10))
_DENSITY_AREA = 256 * 256  # px for which the numbers of cells below are meant


@dataclass(frozen=True)
class _Cell:
    """A round thing: its centre and its mean radius, in pixels."""

    row: float
    col: float
    radius: float


def paint_smear(
    extent: Extent, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Paint a field of view, and the truth about it.

    White cells lie in groups and touch; nuclei have up to three lobes. Red cells and
    platelets are background, and as dark as cytoplasm and nuclei. Light is uneven,
    stains differ from field to field and from cell to cell, focus drifts, and there
    are grains of dirt and sensor noise.

    Args:
        extent: Size of the field, in pixels; a white cell is 40 to 70 px wide.
        rng: Decides everything.

    Returns:
        RGB values, shape (rows, cols, 3), and ids, shape (rows, cols): background,
        cytoplasm, nucleus.

    References:
        Stains absorb light by their amount (Beer and Lambert); optical densities a
        stain as in Ruifrok and Johnston 2001, Anal. Quant. Cytol. Histol. 23:291-299.
    """
    field = _Field(extent, rng)
    white = _place_white_cells(extent, rng)
    red = _place_red_cells(extent, white, rng)
    for cell in red:
        field.paint_red_cell(cell)
    for cell in white.cells:
        field.paint_white_cell(cell)
    for cell in _scatter(extent, rng, density=(5, 14), radius=(3.5, 6.5)):
        if not white.is_near(cell, share=1.0):
            field.paint_platelet(cell)
    for cell in _scatter(extent, rng, density=(6, 14), radius=(1.2, 3.2)):
        field.paint_dirt(cell)
    return field.develop(), field.truth


class _Field:
    """Amounts of stain, pixel by pixel, and what they mean."""

    def __init__(self, extent: Extent, rng: np.random.Generator) -> None:
        shape = (extent.rows, extent.cols)
        self.truth = np.full(shape, BACKGROUND, np.uint8)
        self._extent, self._rng = extent, rng
        self._chromatin = np.zeros(shape, np.float32)
        self._plasma = np.zeros(shape, np.float32)
        self._haemoglobin = np.zeros(shape, np.float32)
        self._dirt = np.zeros(shape, np.float32)
        self._grains = _drift(extent, 2, rng)
        self._clumps = _drift(extent, 4, rng)
        self._clouds = _drift(extent, 9, rng)

    def paint_red_cell(self, cell: _Cell) -> None:
        """A disc, paler in the middle."""
        patch = self._patch(cell)
        depth = self._depth(cell, patch, wave=0.03)
        pallor = self._rng.uniform(0.25, 0.6) * np.exp(-((depth / 0.45) ** 2))
        body = _inside(depth, edge=0.18) * (1 - pallor)
        self._haemoglobin[patch] += body * self._rng.uniform(0.8, 1.25)

    def paint_white_cell(self, cell: _Cell) -> None:
        """Grainy cytoplasm around a clumpy nucleus; it hides red cells below it."""
        rng, patch = self._rng, self._patch(cell)
        depth = self._depth(cell, patch, wave=0.05)
        body = _inside(depth, edge=0.12)
        texture = 1 + 0.18 * self._grains[patch] + 0.12 * self._clouds[patch]
        rim = 0.75 + 0.25 * np.clip(depth, 0, 1) ** 2
        self._plasma[patch] += body * rim * texture * rng.uniform(0.45, 1.1)
        self._haemoglobin[patch] *= 1 - body

        nucleus = self._nucleus_depth(cell, patch)
        core = _inside(nucleus, edge=0.14) * _inside(depth, edge=0.05)
        texture = 1 + 0.22 * self._clumps[patch] + 0.12 * self._grains[patch]
        stained = core * texture * rng.uniform(0.5, 1.15)
        self._chromatin[patch] = np.maximum(self._chromatin[patch], stained)
        self._plasma[patch] *= 1 - 0.5 * core

        truth = self.truth[patch]
        truth[depth < 1] = CYTOPLASM
        truth[(nucleus < 1) & (depth < 0.97)] = NUCLEUS

    def paint_platelet(self, cell: _Cell) -> None:
        """A small clump, stained like a nucleus."""
        patch = self._patch(cell)
        body = _inside(self._depth(cell, patch, wave=0.15), edge=0.5)
        stained = body * (1 + 0.4 * self._grains[patch]) * self._rng.uniform(0.45, 0.95)
        self._chromatin[patch] = np.maximum(self._chromatin[patch], stained)

    def paint_dirt(self, cell: _Cell) -> None:
        """A grain of dust or of dried stain."""
        patch = self._patch(cell)
        body = _inside(self._depth(cell, patch, wave=0.2), edge=0.3)
        self._dirt[patch] += body * self._rng.uniform(0.3, 1)

    def develop(self) -> NDArray[np.uint8]:
        """Light through the stains, through the lens, onto the sensor."""
        extent, rng = self._extent, self._rng
        haze = 0.05 + 0.03 * _drift(extent, 40, rng) + 0.012 * _drift(extent, 7, rng)
        layers = (
            (self._chromatin * rng.uniform(0.75, 1.25), _CHROMATIN),
            (self._plasma * rng.uniform(0.75, 1.3), _PLASMA),
            (self._haemoglobin * rng.uniform(0.8, 1.3), _HAEMOGLOBIN),
            (self._dirt, _DIRT),
            (np.maximum(haze, 0), _HAZE),
        )
        density = np.zeros((extent.rows, extent.cols, 3), np.float32)
        for amount, stain in layers:
            for channel, share in enumerate(stain):
                density[..., channel] += np.float32(share) * amount
        # A lamp out of line: brightness between 48 and 100 %, without hard steps.
        light = 0.48 + 0.52 / (1 + np.exp(-1.6 * _drift(extent, 190, rng) - 0.4))
        tint = np.array([0.99, 0.95, 0.97]) * (1 + rng.normal(0, 0.02, 3))
        image = np.exp(-_LN10 * density) * light[..., np.newaxis]
        image *= tint.astype(np.float32)
        sharp = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.0))
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(1.3, 2.2))
        focus = np.clip(0.5 + 0.35 * _drift(extent, 150, rng), 0, 1)[..., np.newaxis]
        image = sharp + (soft - sharp) * focus
        # Photons arrive at random (variance as light), and the sensor adds its own.
        spread = np.sqrt(0.022**2 * np.maximum(image, 0) + 0.008**2)
        image += spread * rng.standard_normal(image.shape, dtype=np.float32)
        counts: NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        return counts

    def _nucleus_depth(self, cell: _Cell, patch: Patch) -> Plane:
        """As `_depth`, for a nucleus of one to three lobes near the middle."""
        rng = self._rng
        lobes = int(rng.choice([1, 1, 1, 2, 3]))
        radius = cell.radius * rng.uniform(0.45, 0.68)
        towards, off = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.18) * cell.radius
        apart = 0.0 if lobes == 1 else 0.62 * radius
        depths = []
        for lobe in range(lobes):
            angle = towards + 2 * np.pi * lobe / lobes + rng.normal(0, 0.2)
            row = cell.row + off * np.sin(towards) + apart * np.sin(angle)
            col = cell.col + off * np.cos(towards) + apart * np.cos(angle)
            part = _Cell(row, col, radius if lobes == 1 else 0.68 * radius)
            depths.append(self._depth(part, patch, wave=0.06))
        nearest: Plane = np.minimum.reduce(depths)
        return nearest

    def _patch(self, cell: _Cell) -> Patch:
        """The pixels that a cell may cover."""
        reach = 1.5 * cell.radius + 2
        return (
            slice(max(0, int(cell.row - reach)), max(0, int(cell.row + reach) + 1)),
            slice(max(0, int(cell.col - reach)), max(0, int(cell.col + reach) + 1)),
        )

    def _depth(self, cell: _Cell, patch: Patch, *, wave: float) -> Plane:
        """Distance from a cell's centre, 1 on its outline, which waves."""
        rows, cols = (
            part.indices(size)
            for part, size in zip(patch, self.truth.shape, strict=True)
        )
        down = np.arange(*rows, dtype=np.float32)[:, np.newaxis] - np.float32(cell.row)
        right = np.arange(*cols, dtype=np.float32) - np.float32(cell.col)
        angle = np.arctan2(down, right)
        outline = np.ones_like(angle)
        for harmonic in range(2, 7):
            size = self._rng.normal(0, wave) / (0.7 * harmonic - 0.4)
            phase = self._rng.uniform(0, 2 * np.pi)
            outline += np.float32(size) * np.cos(harmonic * angle + np.float32(phase))
        depth: Plane = np.hypot(down, right) / (np.float32(cell.radius) * outline)
        return depth


class _Crowd:
    """Cells that have found their place."""

    def __init__(self, most: int) -> None:
        self.cells: list[_Cell] = []
        self._table = np.empty((most, 3))  # row, column, radius

    def add(self, cell: _Cell) -> None:
        self._table[len(self.cells)] = cell.row, cell.col, cell.radius
        self.cells.append(cell)

    def is_near(self, cell: _Cell, *, share: float) -> bool:
        """Whether a cell is closer to one of them than a share of both radii."""
        row, col, radius = self._table[: len(self.cells)].T
        reach = share * (radius + cell.radius)
        return bool(((row - cell.row) ** 2 + (col - cell.col) ** 2 < reach**2).any())


def _place_white_cells(extent: Extent, rng: np.random.Generator) -> _Crowd:
    """Cells that touch others in three cases out of four, and hardly overlap."""
    count = _number(extent, (9, 12), rng)
    crowd = _Crowd(count)
    for _ in range(20 * count):
        radius = rng.uniform(20, 35)
        cell = _anywhere(extent, radius, rng)
        if crowd.cells and rng.random() < 0.75:
            other = crowd.cells[rng.integers(len(crowd.cells))]
            angle = rng.uniform(0, 2 * np.pi)
            reach = (other.radius + radius) * rng.uniform(0.9, 1.0)
            row, col = np.sin(angle) * reach, np.cos(angle) * reach
            cell = _Cell(other.row + row, other.col + col, radius)
        centred = 0 <= cell.row < extent.rows and 0 <= cell.col < extent.cols
        if centred and not crowd.is_near(cell, share=0.88):
            crowd.add(cell)
        if len(crowd.cells) == count:
            break
    return crowd


def _place_red_cells(
    extent: Extent, white: _Crowd, rng: np.random.Generator
) -> list[_Cell]:
    """Small cells between the white ones; they overlap each other a little."""
    tried = _scatter(extent, rng, density=(30, 45), radius=(11, 15))
    crowd = _Crowd(len(tried))
    for cell in tried:
        if not white.is_near(cell, share=0.93) and not crowd.is_near(cell, share=0.8):
            crowd.add(cell)
    return crowd.cells


def _scatter(
    extent: Extent,
    rng: np.random.Generator,
    *,
    density: tuple[int, int],
    radius: tuple[float, float],
) -> list[_Cell]:
    """Things anywhere: so many on 256 x 256 px, of such radii."""
    count = _number(extent, density, rng)
    return [_anywhere(extent, rng.uniform(*radius), rng) for _ in range(count)]


def _number(extent: Extent, density: tuple[int, int], rng: np.random.Generator) -> int:
    return max(1, round(rng.uniform(*density) * extent.pixels / _DENSITY_AREA))


def _anywhere(extent: Extent, radius: float, rng: np.random.Generator) -> _Cell:
    return _Cell(rng.uniform(0, extent.rows), rng.uniform(0, extent.cols), radius)


def _inside(depth: Plane, *, edge: float) -> Plane:
    """1 inside an outline, falling to 0 on it, over a share of the radius."""
    amount: Plane = np.clip((1 - depth) / edge, 0, 1)
    return amount


def _drift(extent: Extent, scale: int, rng: np.random.Generator) -> Plane:
    """Smooth noise of variance near 1, its features about `scale` px wide."""
    rows, cols = extent.rows // scale + 4, extent.cols // scale + 4
    coarse = rng.standard_normal((rows, cols), dtype=np.float32)
    size = (cols * scale, rows * scale)
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    # The border of the coarse grid is left out: there is nothing beyond it.
    return np.asarray(fine[scale : scale + extent.rows, scale : scale + extent.cols])
