"""Small runs through the real command line, stopped in many ways."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from segx.cli.main import main

# Dropout, an average and a schedule: what a run that goes on could lose.
SMALL = [
    *("--data.crop", "64", "--data.batch_size", "2", "--data.steps_per_epoch", "3"),
    *(
        "--data.workers",
        "0",
        "--trainer.accelerator",
        "cpu",
        "--training.overlays",
        "0",
    ),
    *("--training.ema_decay", "0.9", "--model.decoder.dropout", "0.2"),
    *("--trainer.precision", "32-true", "--trainer.max_epochs", "4"),
]


def words(data: Path, runs: Path, *more: str, name: str = "a") -> list[str]:
    """Arguments of a small run."""
    place = ["--data.root", str(data), "--runs", str(runs), "--name", name]
    return ["fit", "-c", "smoke", "--quiet", *place, *SMALL, *more]


def again(runs: Path, *more: str, name: str = "a") -> list[str]:
    """Arguments that let it go on."""
    place = ["--runs", str(runs), "--name", name]
    return ["fit", *place, "--ckpt_path", "last", "--quiet", *more]


def train(data: Path, runs: Path, *more: str, name: str = "a") -> Path:
    """Run to the end, in this process."""
    assert main(words(data, runs, *more, name=name)) == 0
    return runs / name


def in_process(
    arguments: list[str], **options: Any
) -> subprocess.CompletedProcess[str]:
    """The real command, in a process of its own."""
    command = [sys.executable, "-m", "segx", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=280, **options
    )


def last(run: Path) -> dict[str, Any]:
    """What the last checkpoint holds."""
    path = run / "checkpoints" / "last.ckpt"
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def differences(first: Any, second: Any, place: str = "") -> Iterator[str]:
    """Where two checkpoints differ in a bit; the best one's path is not looked at."""
    if isinstance(first, dict):
        for key in first.keys() | second.keys():
            if key in first and key in second:
                yield from differences(first[key], second[key], f"{place}/{key}")
            else:
                yield f"{place}/{key} is in one only"
    elif isinstance(first, list | tuple) and len(first) == len(second):
        for index, pair in enumerate(zip(first, second, strict=True)):
            yield from differences(*pair, f"{place}/{index}")
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        if first.dtype != second.dtype or not torch.equal(first, second):
            yield place
    elif first != second:
        yield f"{place}: {first} and {second}"


def hand_over(number: int) -> None:
    """Call the handler of a signal in place of the kernel.

    For tests within pytest's own process: a real SIGTERM has ended workers of
    pytest-xdist with SIGSEGV as it was delivered, why is not known. faulthandler, which
    pytest switches on, gives signals a stack of their own there. Processes of segx have
    none: `stopped` sends them real signals.
    """
    handler = signal.getsignal(number)
    assert callable(handler)
    handler(number, None)


def send(number: int) -> None:
    """Send this process a signal, or its whole group if the number is negative."""
    if number > 0:
        os.kill(os.getpid(), number)
    else:
        os.killpg(os.getpgrp(), -number)


def stopping(
    call: Callable[..., Any],
    *,
    at: int,
    number: int,
    deliver: Callable[[int], None] = send,
) -> Callable[..., Any]:
    """A function that sends its process a signal the `at`-th time, before it works."""
    left = at

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            deliver(number)
        return call(*arguments, **options)

    return counted


def stopped(
    arguments: list[str], *, what: str, at: int, number: int = signal.SIGTERM
) -> int:
    """The exit code of a command signalled in its `at`-th step or validation."""
    script = Path(__file__).with_name("stopped.py")
    command = [sys.executable, str(script), what, str(at), str(int(number))]
    done = subprocess.run(
        [*command, *arguments], check=False, timeout=280, start_new_session=True
    )
    return done.returncode
