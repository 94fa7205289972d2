"""Kill a training at random moments, let it go on, and compare every bit.

    python scripts/bench/kill_fit.py --times 20 --json out.json
    python scripts/bench/kill_fit.py --config unet --option data.root=DIR --times 5

First the run is trained undisturbed. Then, ``--times`` times, `segx fit` is started
anew, killed with SIGKILL, and goes on by ``--ckpt_path last`` to its end (or from its
start, where it was killed before the first checkpoint). The moments are seeded and
spread over the whole run: one falls somewhere in each of as many equal parts of the
undisturbed run's time. It is counted how many epochs had to be trained again: never
more than the one that ran. The last checkpoint must hold the same weights, optimizer
and average, bit for bit; the exit code is 1 otherwise.
"""

import argparse
import csv
import random
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peers
import torch
from kill import kill
from peers import console
from rich.table import Table

from segx.data.cells import write_cells
from segx.evaluation.records import Json, write_json

__all__ = ["Trial", "main", "unlike"]

# Small enough to be killed twenty times, with all that a run that goes on could lose.
SMALL = (
    *("data.crop=64", "data.batch_size=2", "data.steps_per_epoch=8"),
    *("trainer.max_epochs=6", "training.ema_decay=0.9", "model.decoder.dropout=0.2"),
)


@dataclass(frozen=True)
class Trial:
    """What one kill did.

    Args:
        killed_after_s: When it came; seconds from the start of the process.
        was_running: False if the training had ended by itself before.
        epochs_begun: Epochs that had been begun when it came, by metrics.csv.
        epochs_lost: Those of them that were not kept: the running one at most.
        rerun_s: Seconds that the rest took.
        differences: What the last checkpoint holds otherwise; empty if all is well.
    """

    killed_after_s: float
    was_running: bool
    epochs_begun: int
    epochs_lost: int
    rerun_s: float
    differences: tuple[str, ...]


def main() -> None:
    """Kill and compare, print the table, write the JSON; exit 1 if a trial fails."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(
        prefix="segx-kill-", dir=arguments.folder
    ) as folder:
        whole_s, trials = _measure(arguments, Path(folder))
    console.print(_table(trials, whole_s=whole_s))
    equal = sum(not trial.differences for trial in trials)
    most = max(trial.epochs_lost for trial in trials)
    console.print(
        f"{equal} of {len(trials)} runs end bit for bit as the undisturbed one; a kill "
        f"cost at most {most} epoch{'' if most == 1 else 's'}"
    )
    if arguments.json:
        content: dict[str, Json] = {
            "environment": peers.environment(),
            "undisturbed_s": whole_s,
            "trials": [asdict(trial) for trial in trials],
        }
        write_json(arguments.json, content)
    if equal < len(trials) or most > 1:
        raise SystemExit(1)


def _measure(arguments: argparse.Namespace, folder: Path) -> tuple[float, list[Trial]]:
    """Seconds of the undisturbed run, and all trials."""
    options = [*arguments.option]
    if arguments.config is None:
        root = write_cells(folder / "data", images=18, size=96, scan=96).root
        options = [*SMALL, f"data.root={root}", *options]
    start = peers.segx("fit", "-c", arguments.config or "smoke", "--quiet")
    for option in options:
        key, _, value = option.partition("=")
        start += [f"--{key}", value]
    whole = folder / "whole"
    whole_s = peers.run([*start, *_place(whole)], log=_log(whole))
    expected = _last(whole)
    chance = random.Random(arguments.seed)
    trials = []
    for number in range(arguments.times):
        moment = whole_s * (number + chance.random()) / arguments.times
        run = folder / f"killed{number}"
        trials.append(_trial(start, run, moment, expected=expected))
        shutil.rmtree(run)
    return whole_s, trials


def _trial(
    start: list[str], run: Path, moment: float, *, expected: dict[str, Any]
) -> Trial:
    """Train, kill, go on, compare."""
    was_running = kill([*start, *_place(run)], after_s=moment, log=_log(run))
    steps = _steps_begun(run)
    kept = _kept_steps(run)
    each = expected["global_step"] // expected["epoch_count"]
    goes_on = peers.segx("fit", "--quiet", "--ckpt_path", "last")
    rest = [*(goes_on if kept else start), *_place(run)]
    rerun_s = peers.run(rest, log=_log(run))
    return Trial(
        killed_after_s=moment,
        was_running=was_running,
        epochs_begun=-(-steps // each),
        epochs_lost=-(-max(0, steps - kept) // each),
        rerun_s=rerun_s,
        differences=tuple(unlike(expected, _last(run))),
    )


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
        pairs = enumerate(zip(first, second, strict=True))
        return [fault for i, pair in pairs for fault in unlike(*pair, f"{place}/{i}")]
    if isinstance(first, torch.Tensor):
        same = isinstance(second, torch.Tensor) and torch.equal(first, second)
    else:
        same = bool(first == second)
    return [] if same else [place]


def _last(run: Path) -> dict[str, Any]:
    """What must be equal bit for bit, and how far the run went."""
    path = run / "checkpoints" / "last.ckpt"
    content = torch.load(path, map_location="cpu", weights_only=True)
    return {
        "global_step": content["global_step"],
        "epoch_count": content["position"]["epoch"],
        "state_dict": content["state_dict"],
        "optimizer_states": content["optimizer_states"],
        "lr_schedulers": content["lr_schedulers"],
    }


def _steps_begun(run: Path) -> int:
    """Steps that metrics.csv tells of."""
    table = run / "metrics.csv"
    if not table.is_file():
        return 0
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("train/loss")]
    return int(rows[-1]["step"]) + 1 if rows else 0


def _kept_steps(run: Path) -> int:
    """Steps that the next run goes on from; the digests are left to segx."""
    for name in ("last", "previous"):
        path = run / "checkpoints" / f"{name}.ckpt"
        if path.is_file():
            content = torch.load(path, map_location="cpu", weights_only=True)
            return int(content["global_step"])
    return 0


def _place(run: Path) -> list[str]:
    return ["--runs", str(run.parent), "--name", run.name]


def _log(run: Path) -> Path:
    return run.with_name(f"{run.name}.log")


def _table(trials: list[Trial], *, whole_s: float) -> Table:
    table = Table(title=f"Killed trainings; undisturbed: {whole_s:.1f} s")
    for column in ("killed after s", "epochs begun", "lost", "rest s", "last.ckpt"):
        table.add_column(column)
    for trial in trials:
        done = "" if trial.was_running else " (was done)"
        count = len(trial.differences)
        table.add_row(
            f"{trial.killed_after_s:.2f}{done}",
            str(trial.epochs_begun),
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
