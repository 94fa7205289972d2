"""Run peers as processes, one after another, and show what they measured."""

import csv
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console

__all__ = [
    "REPOSITORY",
    "attempt",
    "console",
    "environment",
    "fit",
    "known_environment",
    "last_line",
    "logged",
    "run",
    "script",
    "segx",
]

BENCH = Path(__file__).resolve().parent
REPOSITORY = BENCH.parent.parent

# A log file is as wide as a table needs it, and a terminal as wide as it is.
console = Console(width=None if sys.stdout.isatty() else 150)


def segx(*arguments: object) -> list[str]:
    """The command line of segx itself."""
    return [sys.executable, "-m", "segx", *map(str, arguments)]


def script(
    name: str, *arguments: object, python: Path | str = sys.executable
) -> list[str]:
    """The command line of a script beside this one; `python` runs it."""
    return [str(python), str(BENCH / name), *map(str, arguments)]


def run(command: Sequence[str], *, log: Path) -> float:
    """Run one peer to its end, its output in a file.

    Returns:
        Seconds that it took, the start of Python included.

    Raises:
        SystemExit: If it fails; the end of its output is shown.
    """
    code, seconds = attempt(command, log=log)
    if code:
        tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        console.print(tail, markup=False, highlight=False)
        raise SystemExit(f"{shlex.join(command)} ended with {code}; see {log}")
    return seconds


def attempt(command: Sequence[str], *, log: Path) -> tuple[int, float]:
    """Run one peer that may fail, its output in a file.

    Returns:
        Its exit code, and the seconds that it took, the start of Python included.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(f"[dim]$ {shlex.join(command)}[/]", highlight=False, soft_wrap=True)
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        code = subprocess.run(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=known_environment(),
            check=False,
        ).returncode
    return code, time.monotonic() - started


def fit(
    command: Sequence[str],
    run_folder: Path,
    *,
    program: Callable[..., list[str]] = segx,
) -> tuple[float, int]:
    """Train and test a run of segx.

    Args:
        command: `segx fit` and what it is told, but for the place of the run.
        run_folder: Where the run goes; what an interrupted call left is removed.
        program: Makes the command line of the segx that tests it.

    Returns:
        Seconds that the training took, and its number of steps.
    """
    if run_folder.exists():
        shutil.rmtree(run_folder)
    place = ["--name", run_folder.name, "--runs", str(run_folder.parent), "--quiet"]
    seconds = run([*command, *place], log=run_folder.with_suffix(".fit.log"))
    run(program("test", run_folder), log=run_folder.with_suffix(".test.log"))
    return seconds, len(logged(run_folder, "train/loss"))


def logged(run_folder: Path, column: str) -> list[float]:
    """The numbers that a run of segx logged in a column, one a step."""
    with (run_folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        cells = [row.get(column) for row in csv.DictReader(file)]
    return [float(cell) for cell in cells if cell]


def known_environment() -> dict[str, str]:
    """The variables of this process, and this repository before all other code."""
    paths = [str(REPOSITORY), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def last_line(log: Path) -> str:
    """What a peer said last: of an error, the reason."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def environment() -> dict[str, str]:
    """What the figures depend on: processor, cores, versions."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "cores": str(len(os.sched_getaffinity(0))),
        "threads": str(torch.get_num_threads()),
    }
