"""Peak memory of a prediction at two heights of a scan: it must not grow with them.

    python scripts/bench/memory.py --json out.json          # 20 000 px wide, 10 000 and
                                                            # 20 000 px high
    python scripts/bench/memory.py --cols 2000 --rows 1000 2000

The scans are tiled RGB TIFFs of seeded blobs, written tile by tile. Each is predicted
in a process of its own with a stub for a network, so that nothing but reading,
blending, deciding and writing counts: the peak of the resident memory, less what the
process holds when the predictor has been built (`memory_peer.py`). It needs Linux. On
scans of less than some 100 million pixels the reader's cache is still filling: only
full sizes say whether memory grows.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import peers
import tifffile
from numpy.typing import NDArray
from peers import console
from rich.table import Table

from segx.evaluation.records import Json, write_json
from segx.geometry import Extent

__all__ = ["Line", "main"]

TILE = 512
MOST_MB = 1500
MOST_GROWTH = 1.1
# A background and what stands out from it, as in a stained slide.
GLASS, TISSUE = (240, 238, 242), (150, 90, 160)


@dataclass(frozen=True)
class Line:
    """What the prediction of one scan took.

    Args:
        rows: Height of the scan, in pixels.
        cols: Width of the scan, in pixels.
        model_mb: Resident memory when the predictor had been built, in 1e6 bytes.
        peak_mb: Most resident memory during the prediction, less `model_mb`.
        seconds: Time of the prediction.
        mask: Name of the mask's file.
    """

    rows: int
    cols: int
    model_mb: float
    peak_mb: float
    seconds: float
    mask: str


def main() -> None:
    """Predict all heights, print the table, write the JSON; exit 1 if memory grows."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(
        prefix="segx-memory-", dir=arguments.folder
    ) as folder:
        lines = [
            _measure(Extent(rows, arguments.cols), Path(folder), arguments)
            for rows in arguments.rows
        ]
    console.print(_table(lines))
    growth = max(line.peak_mb for line in lines) / min(line.peak_mb for line in lines)
    most = max(line.peak_mb for line in lines)
    console.print(f"highest ÷ lowest peak: {growth:.3f} (wanted: {MOST_GROWTH})")
    console.print(f"highest peak: {most:.0f} MB (wanted: {MOST_MB} MB)")
    if arguments.json:
        content: dict[str, Json] = {
            "environment": peers.environment(),
            "lines": [asdict(line) for line in lines],
            "growth": growth,
        }
        write_json(arguments.json, content)
    if growth > MOST_GROWTH or most > MOST_MB:
        raise SystemExit(1)


def _measure(extent: Extent, folder: Path, arguments: argparse.Namespace) -> Line:
    scan = folder / f"scan{extent}.tif"
    _write_scan(scan, extent, compression=arguments.compression)
    out = folder / f"out{extent}"
    command = peers.script("memory_peer.py", "--scan", scan, "--out", out)
    peers.run(command, log=out.with_suffix(".log"))
    found = json.loads((out / "report.json").read_text(encoding="utf-8"))
    scan.unlink()
    return Line(rows=extent.rows, cols=extent.cols, **found)


def _write_scan(path: Path, extent: Extent, *, compression: str) -> None:
    rows, cols = (-(-side // TILE) for side in (extent.rows, extent.cols))
    tifffile.imwrite(
        path,
        _tiles(rows * cols),
        shape=(extent.rows, extent.cols, 3),
        dtype=np.uint8,
        photometric="rgb",
        tile=(TILE, TILE),
        compression=compression,
        metadata=None,
        # Above 4 GB a classic TIFF has no more addresses; raw pixels bound the file.
        bigtiff=extent.pixels * 3 > 2**32,
    )


def _tiles(count: int) -> Iterator[NDArray[np.uint8]]:
    """Seeded tiles of round blobs on a bright ground, with noise; reading order."""
    random = np.random.default_rng(0)
    rows, cols = np.mgrid[:TILE, :TILE].astype(np.float32)
    noise = random.integers(-8, 8, (TILE, TILE, 3), np.int16)
    for _ in range(count):
        tissue = np.zeros((TILE, TILE), bool)
        for top, left, radius in random.uniform((0, 0, 16), (TILE, TILE, 96), (6, 3)):
            tissue |= (rows - top) ** 2 + (cols - left) ** 2 < radius**2
        colours = np.where(tissue[..., np.newaxis], TISSUE, GLASS)
        yield np.clip(colours + noise, 0, 255).astype(np.uint8)


def _table(lines: list[Line]) -> Table:
    table = Table(title="Peak resident memory of a prediction, less the model alone")
    for column in ("rows", "cols", "model MB", "peak MB", "s", "Mpx/s", "mask"):
        table.add_column(column)
    for line in lines:
        table.add_row(
            str(line.rows),
            str(line.cols),
            f"{line.model_mb:.0f}",
            f"{line.peak_mb:.0f}",
            f"{line.seconds:.1f}",
            f"{line.rows * line.cols / 1e6 / line.seconds:.1f}",
            line.mask,
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cols", type=int, default=20_000)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 20_000])
    parser.add_argument("--compression", choices=("jpeg", "zlib"), default="jpeg")
    parser.add_argument("--folder", type=Path, help="where there is room for the scans")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
