"""What sparing the network blank tiles saves, on a scan that is mostly glass.

    python scripts/bench/blank.py --run RUN --pictures DIR --json out.json

The scan is white but for one square of pictures. Both ways run in one process, by
turns; the mask's foreground is held against that of the whole pass, and within the
pictures every pixel.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import peers
from mosaic import mosaic, write_scan
from numpy.typing import NDArray
from peers import console
from rich.table import Table

import segx
from segx.evaluation.records import write_json
from segx.inference.predictor import Predictor
from segx.scans import open_scan

__all__ = ["EVERY", "SPARING", "main"]

EVERY, SPARING = "every tile", "--skip-blank"

_GLASS = 242


def main() -> None:
    """Make the scan, predict it both ways, print the table, write the JSON."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="segx-blank-") as folder:
        pixels = _mostly_glass(arguments.pictures, arguments.side, arguments.blank)
        scan = write_scan(Path(folder) / "scan.tif", pixels)
        whole = segx.load(arguments.run)
        sparing = Predictor(whole.members, plan=whole.plan, skip_blank=True)
        ways = {EVERY: whole, SPARING: sparing}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        masks = {}
        for _ in range(arguments.rounds):
            for name, predictor in ways.items():
                masks[name] = _predict(predictor, scan, seconds[name])
    walls = {name: statistics.median(items) for name, items in seconds.items()}
    ratio = walls[EVERY] / walls[SPARING]
    every, spared = masks[EVERY], masks[SPARING]
    found, kept = int((every > 0).sum()), int(((every > 0) & (spared == every)).sum())
    first, last = _inner(arguments.side, arguments.blank)
    inside = slice(first, last), slice(first, last)
    tissue = bool(np.array_equal(every[inside], spared[inside]))
    table = Table(
        "tiles", "s", title=f"{arguments.blank:.0%} blank, {pixels.shape[0]} px"
    )
    for name, wall in walls.items():
        table.add_row(name, f"{wall:.1f}")
    console.print(table)
    console.print(
        f"{ratio:.2f} times as fast; foreground kept: {kept} of {found} px; within the "
        f"pictures the masks are {'equal' if tissue else 'NOT equal'}"
    )
    if arguments.json:
        write_json(
            arguments.json,
            {
                "environment": peers.environment(),
                "seconds": {name: list(items) for name, items in seconds.items()},
                "ratio": ratio,
                "foreground": found,
                "foreground_kept": kept,
                "equal_within_pictures": tissue,
            },
        )


def _mostly_glass(pictures: Path, side: int, blank: float) -> NDArray[np.uint8]:
    """A white square with pictures in the middle, noise of a camera on the glass."""
    rng = np.random.default_rng(0)
    glass = rng.normal(_GLASS, 2, (side, side, 3)).clip(0, 255).astype(np.uint8)
    first, last = _inner(side, blank)
    glass[first:last, first:last] = mosaic(pictures, last - first).pixels
    return glass


def _inner(side: int, blank: float) -> tuple[int, int]:
    """First row and column of the pictures, and the first behind them."""
    inner = round(side * (1 - blank) ** 0.5)
    first = (side - inner) // 2
    return first, first + inner


def _predict(
    predictor: Predictor, path: Path, seconds: list[float]
) -> NDArray[np.uint8]:
    """The mask of a scan; the time is noted."""
    started = time.perf_counter()
    mask = predictor.predict(path)
    seconds.append(time.perf_counter() - started)
    with open_scan(path) as scan:
        console.print(f"[dim]{scan.extent} px in {seconds[-1]:.1f} s[/]")
    return mask


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a run of segx fit")
    parser.add_argument("--pictures", type=Path, required=True, help="RGB pictures")
    parser.add_argument("--side", type=int, default=6144, help="of the scan, in pixels")
    parser.add_argument("--blank", type=float, default=0.8, help="share that is glass")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
