"""How visible the borders of tiles are in a probability map.

    python scripts/bench/seams.py --run RUN --pictures DIR --json out.json
    python scripts/bench/seams.py --run RUN --pictures DIR --tile 512 --overlap 0.25
    python scripts/bench/seams.py --run RUN --scan FILE

RUN is a trained segmentation; the scan is a file, or a mosaic of pictures of its kind.
Compared on the same scan: the plan of segx, its tiles with constant weights, and tiles
without overlap.

The seam score. A border line lies between two neighbouring rows or columns of pixels
where a tile of the plan begins or ends; the scan's own border is none. The gradient
across it is the absolute difference of the probabilities of two pixels that face each
other over the line. The score is the mean of these over all lines, pixels and classes,
divided by the mean of the same differences elsewhere, rows and columns each compared
with their own kind. A step that tiling made raises it above 1; no step leaves it at 1.

Elsewhere is told twice. *All* takes every other pair of neighbours in the scan. *Near*
takes only pairs that lie 2 to 32 px beside a line: what the scan shows is the same
there, so that it does not matter whether more objects happen to lie under the lines
than between them. The latter has the smaller error; both should be about 1.

Shift. The scan is continued by half a tile on each side, by reflection, predicted, and
cropped back: the grid has moved, the pixels have not. The share of mask pixels that
change says how far a mask depends on where the tiles happen to lie.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peers
from mosaic import mosaic
from numpy.typing import NDArray
from peers import console
from rich.table import Table

import segx
from segx.evaluation.records import Json, write_json
from segx.geometry import Extent, Region
from segx.inference.predictor import Predictor
from segx.masks import decide
from segx.scans import ArrayScan, open_scan

__all__ = ["Grid", "Line", "Scores", "main", "seam_scores"]

NEAR = range(2, 33)
"""Distances from a line, in pixels, at which pairs are near it."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """The border lines of tiles.

    Args:
        rows: First rows below horizontal lines.
        cols: First columns right of vertical lines.
    """

    rows: tuple[int, ...]
    cols: tuple[int, ...]

    @classmethod
    def of(cls, tiles: Iterable[Region], extent: Extent) -> "Grid":
        """Where tiles begin or end inside a scan."""
        rows = {edge for tile in tiles for edge in (tile.top, tile.bottom)}
        cols = {edge for tile in tiles for edge in (tile.left, tile.right)}
        return cls(
            tuple(sorted(row for row in rows if 0 < row < extent.rows)),
            tuple(sorted(col for col in cols if 0 < col < extent.cols)),
        )


@dataclass(frozen=True)
class Scores:
    """Mean absolute gradient on border lines ÷ elsewhere.

    Args:
        near: Elsewhere is 2 to 32 px beside a line.
        overall: Elsewhere is the rest of the scan.
    """

    near: float
    overall: float


@dataclass(frozen=True)
class Line:
    """What one way of tiling leaves behind.

    Args:
        tiling: What it is.
        tiles: Number of tiles.
        scores: How visible their borders are.
        changed: Share of mask pixels that change when the grid is shifted by half a
            tile.
    """

    tiling: str
    tiles: int
    scores: Scores
    changed: float


def main() -> None:
    """Compare the ways of tiling, print the table, write the JSON."""
    arguments = _parser().parse_args()
    predictor = segx.load(arguments.run, tile=arguments.tile, overlap=arguments.overlap)
    if arguments.scan:
        with open_scan(arguments.scan) as scan:
            pixels = scan.read_all()
    else:
        pixels = mosaic(arguments.pictures, arguments.side)
    tiles = _predict(predictor, pixels)[1]
    side = max(max(tile.rows, tile.cols) for tile in tiles)
    lines = [
        _line(f"segx: {predictor.plan}", predictor, pixels, _predict, side),
        _line("same tiles, constant weights", predictor, pixels, _constant, side),
        _line("no overlap", predictor, pixels, _side_by_side(side), side),
    ]
    console.print(_table(lines))
    if arguments.json:
        content: dict[str, Json] = {
            "environment": peers.environment(),
            "extent": pixels.shape[:2],
            "plan": asdict(predictor.plan),
            "lines": [asdict(line) for line in lines],
        }
        write_json(arguments.json, content)


# A tiling predicts pixels, shape (rows, cols, channels): probabilities of shape
# (classes, rows, cols), and where its tiles lay.
Tiling = Callable[[Predictor, NDArray[Any]], tuple[Array, list[Region]]]


def _line(
    name: str, predictor: Predictor, pixels: NDArray[Any], tiling: Tiling, side: int
) -> Line:
    probabilities, tiles = tiling(predictor, pixels)
    extent = Extent(*pixels.shape[:2])
    half = side // 2
    margin = ((half, half), (half, half), (0, 0))
    moved, _ = tiling(predictor, np.pad(pixels, margin, mode="reflect"))
    moved = moved[:, half : half + extent.rows, half : half + extent.cols]
    changed = decide(probabilities, predictor.labels) != decide(moved, predictor.labels)
    return Line(
        name,
        tiles=len(tiles),
        scores=seam_scores(probabilities, Grid.of(tiles, extent)),
        changed=float(changed.mean()),
    )


def _predict(predictor: Predictor, pixels: NDArray[Any]) -> tuple[Array, list[Region]]:
    """As segx does it."""
    scan = _Watched(pixels)
    bands = [band.probabilities for band in predictor.predict_probabilities(scan)]
    return np.concatenate(bands, axis=1), scan.regions


def _constant(predictor: Predictor, pixels: NDArray[Any]) -> tuple[Array, list[Region]]:
    """The tiles that segx takes, each pixel the plain mean of those that cover it."""
    scan = _Watched(pixels)
    for _ in predictor.predict_probabilities(scan):
        pass
    return _mean(predictor, pixels, scan.regions), scan.regions


def _side_by_side(side: int) -> Tiling:
    """Tiles of `side` that share no pixel; the last ones are smaller."""

    def tiling(
        predictor: Predictor, pixels: NDArray[Any]
    ) -> tuple[Array, list[Region]]:
        rows, cols = pixels.shape[:2]
        tiles = [
            Region(top, left, min(side, rows - top), min(side, cols - left))
            for top in range(0, rows, side)
            for left in range(0, cols, side)
        ]
        return _mean(predictor, pixels, tiles), tiles

    return tiling


def _mean(predictor: Predictor, pixels: NDArray[Any], tiles: Sequence[Region]) -> Array:
    """Each tile as a scan of its own, the mean where they overlap."""
    shape = (predictor.labels.logits, *pixels.shape[:2])
    sums, counts = np.zeros(shape, np.float32), np.zeros(shape[1:], np.float32)
    for tile in tiles:
        scan = ArrayScan(pixels[tile.slices])
        for band in predictor.predict_probabilities(scan):
            top = tile.top + band.region.top
            rows = slice(top, top + band.region.rows)
            sums[:, rows, tile.left : tile.right] += band.probabilities
            counts[rows, tile.left : tile.right] += 1
    return np.asarray(sums / counts, np.float32)


class _Watched(ArrayScan):
    """An image that remembers which regions were read: the tiles, one by one."""

    def __init__(self, array: NDArray[Any]) -> None:
        super().__init__(array)
        self.regions: list[Region] = []

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        self.regions.append(region)
        return super()._read(region, plane=plane, level=level)


def seam_scores(probabilities: Array, grid: Grid) -> Scores:
    """How visible the lines of a grid are in a map, shape (classes, rows, cols)."""
    down = np.abs(np.diff(probabilities, axis=1)).mean(axis=(0, 2))
    across = np.abs(np.diff(probabilities, axis=2)).mean(axis=(0, 1))
    axes = [_Profile(down, grid.rows), _Profile(across, grid.cols)]
    axes = [profile for profile in axes if profile.lines]
    if not axes:
        raise SystemExit("The scan fits into one tile: there is no seam to measure.")
    return Scores(
        near=_ratio([(profile.on_lines(), profile.near()) for profile in axes]),
        overall=_ratio([(profile.on_lines(), profile.elsewhere()) for profile in axes]),
    )


@dataclass(frozen=True)
class _Profile:
    """Mean gradients from each row or column to the next, and where lines cross them.

    Args:
        gradients: Entry i is the mean between rows i and i + 1.
        lines: A line before row i lies on entry i - 1.
    """

    gradients: Array
    lines: tuple[int, ...]

    def on_lines(self) -> Array:
        return self.gradients[self._on_lines()]

    def near(self) -> Array:
        """Entries that are near a line and not on one."""
        beside = [
            line - 1 + sign * step
            for line in self.lines
            for sign in (-1, 1)
            for step in NEAR
        ]
        inside = [place for place in beside if 0 <= place < len(self.gradients)]
        chosen = np.zeros(len(self.gradients), bool)
        chosen[inside] = True
        return self.gradients[chosen & ~self._on_lines()]

    def elsewhere(self) -> Array:
        return self.gradients[~self._on_lines()]

    def _on_lines(self) -> NDArray[np.bool_]:
        chosen = np.zeros(len(self.gradients), bool)
        chosen[np.array(self.lines) - 1] = True
        return chosen


def _ratio(parts: Sequence[tuple[Array, Array]]) -> float:
    """Mean on lines ÷ mean elsewhere, each axis weighted by its number of lines."""
    count = sum(len(on_lines) for on_lines, _ in parts)
    found = sum(float(on_lines.sum()) for on_lines, _ in parts)
    expected = sum(len(on) * float(elsewhere.mean()) for on, elsewhere in parts)
    if not count or expected == 0:
        raise SystemExit("The map is flat: there is no gradient to compare with.")
    return found / expected


def _table(lines: Sequence[Line]) -> Table:
    table = Table(title="Gradient on tile borders ÷ elsewhere; 1 is invisible")
    for column in ("tiling", "tiles", "÷ near", "÷ all", "changed by a shift"):
        table.add_column(column)
    for line in lines:
        table.add_row(
            line.tiling,
            str(line.tiles),
            f"{line.scores.near:.3f}",
            f"{line.scores.overall:.3f}",
            f"{line.changed:.3%}",
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a run of segx fit")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--pictures", type=Path, help="folder of RGB pictures")
    source.add_argument("--scan", type=Path, help="a scan")
    parser.add_argument("--side", type=int, default=4096, help="of the mosaic")
    parser.add_argument("--tile", type=int, help="side of a tile (default: the plan's)")
    parser.add_argument("--overlap", type=float, help="(default: the plan's)")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
