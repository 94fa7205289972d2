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
than between them. The latter has the smaller error; both should be about 1. Within
32 px of the edges of a mosaic's pictures nothing is taken: they are no seams.

Shift. The scan is continued by half a tile on each side, by reflection, predicted, and
cropped back: the grid has moved, the pixels have not. The share of mask pixels that
change says how far a mask depends on where the tiles happen to lie. It is given of all
pixels, and *inside*: of those that lie more than half a tile from the scan's border,
beyond which the network sees the reflection once and nothing the other time.
"""

import argparse
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import peers
from mosaic import Mosaic, mosaic
from numpy.typing import NDArray
from peers import console
from rich.table import Table

import segx
from segx.evaluation.records import Json, write_json
from segx.geometry import Extent, Tile
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
    def of(cls, tiles: Iterable[Tile], extent: Extent) -> "Grid":
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
        near: Elsewhere is 2 to 32 px beside each line.
        error: Standard error of `near`, from line to line.
        overall: Elsewhere is the rest of the scan.
    """

    near: float
    error: float
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
        changed_inside: The same of the pixels more than half a tile from the scan's
            border; None where there are none.
    """

    tiling: str
    tiles: int
    scores: Scores
    changed: float
    changed_inside: float | None


def main() -> None:
    """Compare the ways of tiling, print the table, write the JSON."""
    arguments = _parser().parse_args()
    predictor = segx.load(arguments.run, tile=arguments.tile, overlap=arguments.overlap)
    if arguments.scan:
        with open_scan(arguments.scan) as scan:
            subject = Mosaic(scan.read_all(), edges=())
    else:
        subject = mosaic(arguments.pictures, arguments.side)
    pixels = subject.pixels
    first = predictor.plan.tiling(Extent(*pixels.shape[:2])).tiles[0]
    side = max(first.rows, first.cols)
    lines = [
        _line("segx", predictor, subject, _segx, side),
        _line("the same tiles, constant weights", predictor, subject, _constant, side),
        _line("tiles without overlap", predictor, subject, _side_by_side(side), side),
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
Tiling = Callable[[Predictor, NDArray[Any]], tuple[Array, list[Tile]]]


def _line(
    name: str, predictor: Predictor, subject: Mosaic, tiling: Tiling, side: int
) -> Line:
    pixels = subject.pixels
    probabilities, tiles = tiling(predictor, pixels)
    extent = Extent(*pixels.shape[:2])
    half = side // 2
    margin = ((half, half), (half, half), (0, 0))
    moved, _ = tiling(predictor, np.pad(pixels, margin, mode="reflect"))
    moved = moved[:, half : half + extent.rows, half : half + extent.cols]
    changed = decide(probabilities, predictor.labels) != decide(moved, predictor.labels)
    inside = changed[half:-half, half:-half]
    return Line(
        name,
        tiles=len(tiles),
        scores=seam_scores(probabilities, Grid.of(tiles, extent), edges=subject.edges),
        changed=float(changed.mean()),
        changed_inside=float(inside.mean()) if inside.size else None,
    )


def _segx(predictor: Predictor, pixels: NDArray[Any]) -> tuple[Array, list[Tile]]:
    """As segx does it."""
    bands = predictor.predict_probabilities(ArrayScan(pixels))
    probabilities = np.concatenate([band.probabilities for band in bands], axis=1)
    return probabilities, predictor.plan.tiling(Extent(*pixels.shape[:2])).tiles


def _constant(predictor: Predictor, pixels: NDArray[Any]) -> tuple[Array, list[Tile]]:
    """The tiles that segx takes, each pixel the plain mean of those that cover it."""
    tiles = predictor.plan.tiling(Extent(*pixels.shape[:2])).tiles
    return _mean(predictor, pixels, tiles), tiles


def _side_by_side(side: int) -> Tiling:
    """Tiles of `side` that share no pixel; the last ones are smaller."""

    def tiling(predictor: Predictor, pixels: NDArray[Any]) -> tuple[Array, list[Tile]]:
        rows, cols = pixels.shape[:2]
        tiles = [
            Tile(
                row * side,
                col * side,
                min(side, rows - row * side),
                min(side, cols - col * side),
                grid_row=row,
                grid_col=col,
            )
            for row in range(math.ceil(rows / side))
            for col in range(math.ceil(cols / side))
        ]
        return _mean(predictor, pixels, tiles), tiles

    return tiling


def _mean(predictor: Predictor, pixels: NDArray[Any], tiles: Sequence[Tile]) -> Array:
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


def seam_scores(
    probabilities: Array, grid: Grid, *, edges: Sequence[int] = ()
) -> Scores:
    """How visible the lines of a grid are in a map.

    Args:
        probabilities: Shape (classes, rows, cols).
        grid: The border lines.
        edges: Rows and columns at which what the scan shows breaks off.
    """
    down = np.abs(np.diff(probabilities, axis=1)).mean(axis=(0, 2))
    across = np.abs(np.diff(probabilities, axis=2)).mean(axis=(0, 1))
    crossings = [
        *_crossings(down, grid.rows, edges=edges),
        *_crossings(across, grid.cols, edges=edges),
    ]
    if len(crossings) < 2:
        raise SystemExit("The scan has too few tiles: two border lines are needed.")
    on_line = np.array([crossing.on_line for crossing in crossings])
    near = np.array([crossing.near for crossing in crossings])
    overall = np.array([crossing.elsewhere for crossing in crossings])
    if near.sum() == 0:
        raise SystemExit("The map is flat: there is no gradient to compare with.")
    return Scores(
        near=float(on_line.sum() / near.sum()),
        error=_jackknife(on_line, near),
        overall=float(on_line.sum() / overall.sum()),
    )


@dataclass(frozen=True)
class _Crossing:
    """Mean gradients across one line, beside it, and where no line is."""

    on_line: float
    near: float
    elsewhere: float


def _crossings(
    gradients: Array, lines: Sequence[int], *, edges: Sequence[int]
) -> Iterator[_Crossing]:
    """Compare each line with its neighbourhood, and with the rest of its axis.

    Args:
        gradients: Entry i - 1 is the mean from row, or column, i - 1 to i.
        lines: Where they are wanted.
        edges: Where they say nothing.
    """
    places = np.arange(1, len(gradients) + 1)
    usable = ~_within(places, edges, range(NEAR.stop))
    free = usable & ~np.isin(places, lines)
    for line in lines:
        beside = free & _within(places, [line], NEAR)
        if usable[line - 1] and beside.any():
            yield _Crossing(
                float(gradients[line - 1]),
                float(gradients[beside].mean()),
                float(gradients[free].mean()),
            )


def _within(
    places: NDArray[np.int_], lines: Sequence[int], distances: range
) -> NDArray[np.bool_]:
    """Which places lie at one of the distances from one of the lines."""
    reach = [sign * step for step in distances for sign in (-1, 1)]
    return np.isin(places, np.add.outer(np.array(lines, int), reach))


def _jackknife(above: NDArray[Any], below: NDArray[Any]) -> float:
    """Standard error of a ratio of two sums, from leaving out one line at a time."""
    count = len(above)
    ratios = (above.sum() - above) / (below.sum() - below)
    spread = ((ratios - ratios.mean()) ** 2).sum()
    return float(math.sqrt((count - 1) / count * spread))


def _table(lines: Sequence[Line]) -> Table:
    table = Table(title="Gradient on tile borders ÷ elsewhere; 1 is invisible")
    for column in ("tiling", "tiles", "÷ near", "÷ all", "shift changes", "inside"):
        table.add_column(column)
    for line in lines:
        table.add_row(
            line.tiling,
            str(line.tiles),
            f"{line.scores.near:.3f} ± {line.scores.error:.3f}",
            f"{line.scores.overall:.3f}",
            f"{line.changed:.3%}",
            "-" if line.changed_inside is None else f"{line.changed_inside:.3%}",
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
