"""Kill a training at random moments, let it go on, and compare every bit.

    python scripts/bench/kill_fit.py --times 20 --json out.json
    python scripts/bench/kill_fit.py --config unet --option data.root=DIR --times 5

First the run is trained undisturbed. Then, ``--times`` times, `segx fit` is started
anew, killed with SIGKILL while it trains, and goes on by ``--ckpt_path last`` to its
end (or from its start, where it was killed before the first checkpoint). The moments
are seeded and spread from the first step that is logged to the last checkpoint: one
falls somewhere in each of as many equal parts of that time. One that comes after the
last checkpoint, since the machine was faster this time, does not count: another is
drawn and the run is started anew. It is counted how many epochs had to be trained
again: never more than the one that ran. The last checkpoint must hold the same weights,
optimizer and average, the best one the same weights, and metrics.csv the same numbers
(but for times), bit for bit; the exit code is 1 otherwise.
"""

import argparse
import csv
import math
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import peers
import torch
from kill import start, stop
from options import as_flags
from peers import console
from rich.table import Table

from segx.data.cells import write_cells
from segx.evaluation.records import Json, write_json
from segx.training.run import RunFolder

__all__ = ["Trial", "main", "unlike"]

MOST_DRAWS = 10
"""Kills in a row that may come too late."""

# How often a training is looked at for its first step.
LOOK_S = 0.05

# Columns of metrics.csv that hold times.
TIMES = ("train/step_s", "train/wait_s", "train/images_per_s")

# Small enough to be killed twenty times, with all that a run that goes on could lose.
SMALL = (
    *("data.crop=64", "data.batch_size=2", "data.steps_per_epoch=8"),
    *("trainer.max_epochs=6", "training.ema_decay=0.9", "model.decoder.dropout=0.2"),
)


@dataclass(frozen=True)
class Trial:
    """What one kill of a running training did.

    Args:
        killed_after_s: When it came; seconds from the first step that was logged.
        too_late: Kills before it that came after the last checkpoint.
        steps_made: Steps that metrics.csv tells of.
        steps_kept: Those that the next run went on from.
        epochs_lost: Epochs that were begun and not kept: the running one at most.
        rerun_s: Seconds that the rest took.
        differences: What the run holds otherwise at its end; empty if all is well.
    """

    killed_after_s: float
    too_late: int
    steps_made: int
    steps_kept: int
    epochs_lost: int
    rerun_s: float
    differences: tuple[str, ...]


def main() -> None:
    """Kill and compare, print the table, write the JSON; exit 1 if a trial fails."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(
        prefix="segx-kill-", dir=arguments.folder
    ) as folder:
        training_s, trials = _measure(arguments, Path(folder))
    console.print(_table(trials, training_s=training_s))
    equal = sum(not trial.differences for trial in trials)
    most = max(trial.epochs_lost for trial in trials)
    console.print(
        f"{len(trials)} kills hit a running training; {equal} runs end bit for bit as "
        f"the undisturbed one; a kill cost at most {most} "
        f"epoch{'' if most == 1 else 's'}"
    )
    if arguments.json:
        content: dict[str, Json] = {
            "environment": peers.environment(),
            "training_s": training_s,
            "trials": [asdict(trial) for trial in trials],
        }
        write_json(arguments.json, content)
    if equal < len(trials) or most > 1:
        raise SystemExit(1)


def _measure(arguments: argparse.Namespace, folder: Path) -> tuple[float, list[Trial]]:
    """Seconds from the first step to the last checkpoint, and all trials."""
    options = [*arguments.option]
    if arguments.config is None:
        root = write_cells(folder / "data", images=18, size=96, scan=96).root
        options = [*SMALL, f"data.root={root}", *options]
    command = peers.segx("fit", "-c", arguments.config or "smoke", "--quiet")
    command += as_flags(options)
    whole = RunFolder(folder / "whole")
    process = _begin(command, whole)
    began = time.time()
    stop(process, after_s=math.inf, log=_log(whole))
    training_s = whole.last.stat().st_mtime - began
    expected = _outcome(whole)
    chance = random.Random(arguments.seed)
    trials = []
    for number in range(arguments.times):
        run = RunFolder(folder / f"killed{number}")
        share = (number + chance.random()) / arguments.times
        moments = _moments(training_s, share, chance)
        trials.append(_trial(command, run, moments, expected=expected))
        shutil.rmtree(run.path)
    return training_s, trials


def _begin(command: list[str], run: RunFolder) -> subprocess.Popen[bytes]:
    """Start a training and wait for its first step."""
    process = start([*command, *_place(run)], log=_log(run))
    while process.poll() is None and not _steps(run):
        time.sleep(LOOK_S)
    return process


def _moments(training_s: float, share: float, chance: random.Random) -> Iterator[float]:
    """When to kill, in seconds after the first step; then when else."""
    while True:
        yield training_s * share
        share = chance.random()


def _trial(
    command: list[str],
    run: RunFolder,
    moments: Iterator[float],
    *,
    expected: dict[str, Any],
) -> Trial:
    """Train, kill, go on, compare."""
    steps = expected["last"]["global_step"]
    moment, too_late = _kill(command, run, moments, steps=steps)
    made, kept = _steps(run), _kept_steps(run)
    each = steps // expected["last"]["epoch_count"]
    if not kept and run.best.is_file():
        shutil.rmtree(run.path)  # killed between both: fit asks for another place
    goes_on = peers.segx("fit", "--quiet", "--ckpt_path", "last")
    rest = [*(goes_on if kept else command), *_place(run)]
    rerun_s = peers.run(rest, log=_log(run))
    return Trial(
        killed_after_s=moment,
        too_late=too_late,
        steps_made=made,
        steps_kept=kept,
        epochs_lost=-(-max(0, made - kept) // each),
        rerun_s=rerun_s,
        differences=tuple(unlike(expected, _outcome(run))),
    )


def _kill(
    command: list[str], run: RunFolder, moments: Iterator[float], *, steps: int
) -> tuple[float, int]:
    """Train and kill before the last checkpoint; when, and how many came too late.

    Raises:
        SystemExit: If each kill comes too late.
    """
    for too_late, moment in enumerate(islice(moments, MOST_DRAWS)):
        process = _begin(command, run)
        was_running = stop(process, after_s=moment, log=_log(run))
        if was_running and _kept_steps(run) < steps:
            return moment, too_late
        shutil.rmtree(run.path)
    raise SystemExit(f"{MOST_DRAWS} kills came too late: train for more epochs.")


def unlike(first: Any, second: Any, place: str = "") -> list[str]:
    """Where two trees of tensors and plain values differ in a bit."""
    if isinstance(first, dict) and isinstance(second, dict):
        if first.keys() != second.keys():
            return [f"{place}: other keys"]
        return [
            fault
            for key in first
            for fault in unlike(first[key], second[key], f"{place}/{key}")
        ]
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        if len(first) != len(second):
            return [f"{place}: {len(first)} and {len(second)} items"]
        pairs = enumerate(zip(first, second, strict=True))
        return [fault for i, pair in pairs for fault in unlike(*pair, f"{place}/{i}")]
    if isinstance(first, torch.Tensor):
        same = isinstance(second, torch.Tensor) and torch.equal(first, second)
    else:
        same = bool(first == second)
    return [] if same else [place]


def _outcome(run: RunFolder) -> dict[str, Any]:
    """What must be equal bit for bit, and how far the run went."""
    last, best = _checkpoint(run.last), _checkpoint(run.best)
    kept = ("global_step", "state_dict", "optimizer_states", "lr_schedulers")
    return {
        "last": {
            "epoch_count": last["position"]["epoch"],
            **{key: last[key] for key in kept},
        },
        "best": best["state_dict"],
        "metrics": [
            {name: cell for name, cell in row.items() if name not in TIMES}
            for row in _rows(run)
        ],
    }


def _steps(run: RunFolder) -> int:
    """Steps that metrics.csv tells of."""
    rows = [row for row in _rows(run) if row.get("train/loss")]
    return int(rows[-1]["step"]) + 1 if rows else 0


def _rows(run: RunFolder) -> list[dict[str, str]]:
    if not run.metrics.is_file():
        return []
    with run.metrics.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _kept_steps(run: RunFolder) -> int:
    """Steps that the next run goes on from; the digests are left to segx."""
    for path in (run.last, run.previous):
        if path.is_file():
            return int(_checkpoint(path)["global_step"])
    return 0


def _checkpoint(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def _place(run: RunFolder) -> list[str]:
    return ["--runs", str(run.path.parent), "--name", run.path.name]


def _log(run: RunFolder) -> Path:
    return run.path.with_name(f"{run.path.name}.log")


def _table(trials: list[Trial], *, training_s: float) -> Table:
    table = Table(title=f"Killed trainings; first step to last: {training_s:.1f} s")
    columns = ("killed after s", "too late before", "steps", "kept", "epochs lost")
    for column in (*columns, "rest s", "at the end"):
        table.add_column(column)
    for trial in trials:
        count = len(trial.differences)
        table.add_row(
            f"{trial.killed_after_s:.2f}",
            str(trial.too_late or ""),
            str(trial.steps_made),
            str(trial.steps_kept),
            str(trial.epochs_lost),
            f"{trial.rerun_s:.1f}",
            f"[red]{count} differ[/]" if count else "equal",
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", help="default: smoke, on painted cells")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--option",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="further keys of the config: data.root=DIR trainer.max_epochs=3",
    )
    parser.add_argument("--folder", type=Path, help="where the runs go meanwhile")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
