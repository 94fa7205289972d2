"""Seconds per image of training: segx fit, a plain Lightning script, a bare loop.

    python scripts/bench/training.py --data DIR/isbi2012_em --json out.json

The peers take turns, `--rounds` times, so that a machine that slows down slows all of
them. A step's time is the median over all rounds, the first steps left out.
"""

import argparse
import json
import statistics
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import peers
from options import as_flags
from peers import console
from rich.table import Table

from segx.evaluation.records import Json, write_json
from segx.training.run import RunFolder

__all__ = ["Line", "main"]

WARM_UP = 3
"""Steps at the start of each run that do not count."""


@dataclass(frozen=True)
class Line:
    """How fast one peer trains.

    Args:
        peer: ``segx fit``, ``bare loop`` or ``plain Lightning``.
        step_s: Median seconds of a step.
        mean_s: Mean seconds of a step.
        spread_s: Half the distance between the quartiles, in seconds.
        image_s: Median seconds for one image.
        steps: Number of steps that count.
    """

    peer: str
    step_s: float
    mean_s: float
    spread_s: float
    image_s: float
    steps: int


def main() -> None:
    """Measure all peers, print the table, write the JSON."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.steps < 2:
        parser.error("--steps: at least 2 are needed for a median")
    with tempfile.TemporaryDirectory(prefix="segx-training-") as folder:
        times = _measure(arguments, Path(folder))
        runs = [_run_folder(Path(folder), number) for number in range(arguments.rounds)]
        config = RunFolder(runs[0]).read_config()
        waits = [
            item for run in runs for item in peers.logged(run, "train/wait_s")[WARM_UP:]
        ]
    batch = config.data.batch_size
    lines = [_line(peer, seconds, batch=batch) for peer, seconds in times.items()]
    ours, bare, plain = (line.step_s for line in lines)
    speed_up, overhead = plain / ours, ours / bare - 1
    waiting = statistics.fmean(waits) / lines[0].mean_s
    console.print(_table(lines))
    console.print(f"segx fit is {speed_up:.2f} times as fast as plain Lightning")
    console.print(f"segx fit adds {overhead:+.1%} to a bare loop of the same step")
    console.print(f"segx fit waits for data in {waiting:.1%} of a step")
    if arguments.json:
        content: dict[str, Json] = {
            "environment": peers.environment(),
            "batch": batch,
            "lines": [asdict(line) for line in lines],
            "speed_up": speed_up,
            "overhead": overhead,
            "waiting": waiting,
        }
        write_json(arguments.json, content)


def _measure(arguments: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """Seconds of every step that counts, by peer."""
    times: dict[str, list[float]] = {
        "segx fit": [],
        "bare loop": [],
        "plain Lightning": [],
    }
    for number in range(arguments.rounds):
        run = _run_folder(folder, number)
        _segx(arguments, run)
        times["segx fit"] += peers.logged(run, "train/step_s")[WARM_UP:]
        out = folder / f"bare{number}"
        command = peers.script("bare_loop.py", "--run", run, "--out", out)
        times["bare loop"] += _script(command, out, arguments.steps)
        out = folder / f"plain{number}"
        config = RunFolder(run).read_config()
        crop = config.data.crop[0] if config.data.crop else 256
        command = peers.script("plain_lightning.py", "--data", arguments.data)
        command += ["--out", str(out), "--crop", str(crop)]
        command += ["--batch", str(config.data.batch_size)]
        if arguments.workers is not None:
            command += ["--workers", str(arguments.workers)]
        times["plain Lightning"] += _script(command, out, arguments.steps)
    return times


def _segx(arguments: argparse.Namespace, run: Path) -> None:
    """A real run of segx fit."""
    command = peers.segx("fit", "-c", arguments.config, "--data.root", arguments.data)
    command += ["--name", run.name, "--runs", str(run.parent), "--quiet"]
    command += ["--trainer.max_steps", str(_total(arguments.steps))]
    command += as_flags(arguments.option)
    peers.run(command, log=run.with_suffix(".log"))


def _script(command: list[str], out: Path, steps: int) -> list[float]:
    """Step times of a script beside this one."""
    peers.run([*command, "--steps", str(_total(steps))], log=out.with_suffix(".log"))
    found = json.loads((out / "steps.json").read_text(encoding="utf-8"))
    seconds: list[float] = found["seconds"]
    return seconds[WARM_UP:]


def _total(steps: int) -> int:
    """Steps to make so that `steps` count: the very first has no time."""
    return steps + WARM_UP + 1


def _line(peer: str, seconds: list[float], *, batch: int) -> Line:
    low, middle, high = statistics.quantiles(seconds, n=4)
    return Line(
        peer,
        step_s=middle,
        mean_s=statistics.fmean(seconds),
        spread_s=(high - low) / 2,
        image_s=middle / batch,
        steps=len(seconds),
    )


def _table(lines: list[Line]) -> Table:
    table = Table(
        "peer", "s / image", "s / step", "±", "mean", "steps", title="Training"
    )
    for line in lines:
        table.add_row(
            line.peer,
            f"{line.image_s:.3f}",
            f"{line.step_s:.3f}",
            f"{line.spread_s:.3f}",
            f"{line.mean_s:.3f}",
            str(line.steps),
        )
    return table


def _run_folder(folder: Path, number: int) -> Path:
    return folder / "runs" / f"segx{number}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--config", default="unet", help="segx's stock config")
    parser.add_argument("--option", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--steps", type=int, default=20, help="steps of each run that count"
    )
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--workers",
        type=int,
        help="of plain Lightning's loader, 0 as torch has it (default: as segx)",
    )
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
