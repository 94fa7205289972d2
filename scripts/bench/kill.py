"""Kill a prediction at random moments, run it again, and compare every byte.

    python scripts/bench/kill.py RUN SCANS --times 20 --json out.json

First the scans are predicted undisturbed. Then, ``--times`` times, `segx predict` is
started anew in an empty folder, killed with SIGKILL, and run again to its end. The
moments are seeded and spread over the whole run: one falls somewhere in each of as many
equal parts of the undisturbed run's time. Every file must hold the same bytes as that
of the undisturbed run, and no file may be missing or left over; the exit code is 1
otherwise. Files that ``--ignore`` names are not compared: by default those of the
journal, which holds times.
"""

import argparse
import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import peers
from peers import console
from rich.table import Table

from segx.atomic import sha256
from segx.evaluation.records import Json, write_json

__all__ = ["Trial", "compare", "kill", "main", "start", "stop"]

IGNORED = (".segx/*",)


@dataclass(frozen=True)
class Trial:
    """What one kill did.

    Args:
        killed_after_s: When it came; seconds from the start of the process.
        was_running: False if the prediction had ended by itself before.
        files_at_kill: Outputs that were there when it came.
        rerun_s: Seconds that the second run took.
        differences: What is not as in the undisturbed run; empty if all is well.
    """

    killed_after_s: float
    was_running: bool
    files_at_kill: int
    rerun_s: float
    differences: tuple[str, ...]


def main() -> None:
    """Kill and compare, print the table, write the JSON; exit 1 on a difference."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(
        prefix="segx-kill-", dir=arguments.folder
    ) as folder:
        whole_s, trials = _measure(arguments, Path(folder))
    console.print(_table(trials, whole_s=whole_s))
    broken = [trial for trial in trials if trial.differences]
    for trial in broken:
        for difference in trial.differences:
            console.print(f"killed after {trial.killed_after_s:.2f} s: {difference}")
    equal = len(trials) - len(broken)
    console.print(f"{equal} of {len(trials)} reruns end in the same bytes")
    if arguments.json:
        content: dict[str, Json] = {
            "environment": peers.environment(),
            "undisturbed_s": whole_s,
            "trials": [asdict(trial) for trial in trials],
        }
        write_json(arguments.json, content)
    if broken:
        raise SystemExit(1)


def _measure(arguments: argparse.Namespace, folder: Path) -> tuple[float, list[Trial]]:
    """Seconds of the undisturbed run, and all trials."""
    expected = folder / "undisturbed"
    whole_s = _finish(arguments, expected)
    chance = random.Random(arguments.seed)
    trials = []
    for number in range(arguments.times):
        out = folder / f"killed{number}"
        moment = whole_s * (number + chance.random()) / arguments.times
        was_running = kill(_command(arguments, out), after_s=moment, log=_log(out))
        files = len(_files(out, ignored=arguments.ignore))
        rerun_s = _finish(arguments, out)
        differences = compare(expected, out, ignored=arguments.ignore)
        trials.append(Trial(moment, was_running, files, rerun_s, differences))
    return whole_s, trials


def _finish(arguments: argparse.Namespace, out: Path) -> float:
    """Predict to the end; seconds that it took."""
    return peers.run(_command(arguments, out), log=_log(out))


def _command(arguments: argparse.Namespace, out: Path) -> list[str]:
    command = peers.segx("predict", arguments.run, *arguments.scans, "-o", out)
    for option in arguments.option:
        key, _, value = option.partition("=")
        command += [f"--{key}", *([value] if value else [])]
    return command


def _log(out: Path) -> Path:
    return out.with_name(f"{out.name}.log")


def kill(command: Sequence[str], *, after_s: float, log: Path) -> bool:
    """Start a command, kill it and its children; whether it was still running."""
    return stop(start(command, log=log), after_s=after_s, log=log)


def start(command: Sequence[str], *, log: Path) -> subprocess.Popen[bytes]:
    """Start a command as the leader of its children, its output in a file."""
    with log.open("w", encoding="utf-8") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=peers.known_environment(),
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], *, after_s: float, log: Path) -> bool:
    """Kill a command and its children some time from now; whether it was running.

    Raises:
        SystemExit: If it had failed by itself; the end of its output is told.
    """
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    if process.returncode:
        raise SystemExit(f"It failed by itself: {peers.last_line(log)} See {log}")
    return False


def compare(
    expected: Path, found: Path, *, ignored: Sequence[str] = ()
) -> tuple[str, ...]:
    """What is not the same in two folders, in words.

    Args:
        expected: How it should be.
        found: How it is.
        ignored: Patterns of paths below the folders that are passed over.
    """
    wanted = _files(expected, ignored=ignored)
    there = _files(found, ignored=ignored)
    return (
        *(f"{name} is missing" for name in sorted(wanted.keys() - there.keys())),
        *(f"{name} is left over" for name in sorted(there.keys() - wanted.keys())),
        *(
            f"{name} holds other bytes"
            for name in sorted(wanted.keys() & there.keys())
            if wanted[name] != there[name]
        ),
    )


def _files(folder: Path, *, ignored: Sequence[str]) -> dict[str, str]:
    """Digest of every file below a folder, by its path in it."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder): path for path in paths}
    return {
        name.as_posix(): sha256(path)
        for name, path in names.items()
        if not any(name.match(pattern) for pattern in ignored)
    }


def _table(trials: Sequence[Trial], *, whole_s: float) -> Table:
    table = Table(title=f"Killed predictions; undisturbed: {whole_s:.1f} s")
    for column in ("killed after s", "files then", "run again s", "bytes"):
        table.add_column(column)
    for trial in trials:
        done = "" if trial.was_running else " (was done)"
        count = len(trial.differences)
        table.add_row(
            f"{trial.killed_after_s:.2f}{done}",
            str(trial.files_at_kill),
            f"{trial.rerun_s:.1f}",
            f"[red]{count} differ[/]" if count else "equal",
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a run of segx fit")
    parser.add_argument(
        "scans", type=Path, nargs="+", help="files and folders; several scans"
    )
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--option",
        nargs="*",
        default=[],
        metavar="KEY[=VALUE]",
        help="further options of segx predict: tile=256 no-overlay",
    )
    parser.add_argument(
        "--ignore", nargs="*", default=IGNORED, help="patterns of files not compared"
    )
    parser.add_argument("--folder", type=Path, help="where the outputs go meanwhile")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
