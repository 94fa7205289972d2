"""How long `segx check` takes for 1,000 pairs of 512x512 px.

    python scripts/bench/check.py --json out.json

The pairs are painted from a seed: coloured noise on a smooth ground, about as many
bytes as a photograph of a slide, and masks of some cells. The command runs in a process
of its own, as a user starts it.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import peers
from peers import console
from PIL import Image

from segx.evaluation.records import write_json

__all__ = ["main"]

_SIDE = 512


def main() -> None:
    """Paint the set, check it some times, print the seconds, write the JSON."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="segx-check-") as folder:
        root = Path(folder)
        for number in range(arguments.pairs):
            _paint(root, number)
        size = sum(file.stat().st_size for file in root.rglob("*.png"))
        console.print(f"{arguments.pairs} pairs, {size / 2**20:.0f} MiB", style="dim")
        command = peers.segx("check", root, "--quiet")
        log = root / "log.txt"
        seconds = [peers.run(command, log=log) for _ in range(arguments.rounds)]
    console.print(f"{min(seconds):.1f} s (of {', '.join(f'{s:.1f}' for s in seconds)})")
    if arguments.json:
        write_json(
            arguments.json,
            {
                "environment": peers.environment(),
                "pairs": arguments.pairs,
                "mib": size / 2**20,
                "cores": len(os.sched_getaffinity(0)),
                "seconds": seconds,
            },
        )


def _paint(root: Path, number: int) -> None:
    """Write one pair."""
    rng = np.random.default_rng([0, number])
    coarse = Image.fromarray(rng.integers(60, 220, (24, 24, 3), np.uint8))
    ground = np.asarray(coarse.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), float)
    picture = np.clip(ground + rng.normal(0, 4, ground.shape), 0, 255).astype(np.uint8)
    down, across = np.ogrid[:_SIDE, :_SIDE]
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    for row, col, radius in rng.uniform((0, 0, 8), (_SIDE, _SIDE, 40), (12, 3)):
        mask[np.hypot(down - row, across - col) < radius] = 1
    for kind, pixels in (("images", picture), ("masks", mask)):
        path = root / kind / f"{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path, compress_level=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
