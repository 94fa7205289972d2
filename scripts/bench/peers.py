"""Run peers as processes, one after another, and show what they measured."""

import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

__all__ = ["console", "environment", "run", "script", "segx"]

BENCH = Path(__file__).resolve().parent

console = Console()


def segx(*arguments: object) -> list[str]:
    """The command line of segx itself."""
    return [sys.executable, "-m", "segx", *map(str, arguments)]


def script(name: str, *arguments: object) -> list[str]:
    """The command line of a script beside this one."""
    return [sys.executable, str(BENCH / name), *map(str, arguments)]


def run(command: Sequence[str], *, log: Path) -> float:
    """Run one peer to its end, its output in a file.

    Returns:
        Seconds that it took, the start of Python included.

    Raises:
        SystemExit: If it fails; the end of its output is shown.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    repository = str(BENCH.parent.parent)
    paths = [repository, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    console.print(f"[dim]$ {shlex.join(command)}[/]", highlight=False, soft_wrap=True)
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        code = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, env=known, check=False
        ).returncode
    if code:
        tail = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        console.print(tail, markup=False, highlight=False)
        raise SystemExit(f"{shlex.join(command)} ended with {code}; see {log}")
    return time.monotonic() - started


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
