"""How far a prediction is: pixels done, pixels a second, time that is left."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.text import Text

from segx.cli.console import console, messages

if TYPE_CHECKING:
    from segx.inference.outputs import Outcome

__all__ = ["ScanProgress", "tell_outcomes"]

_MEGA = 1e6


class ScanProgress(Progress):
    """One bar, for the scan that is being predicted; in a log, a line a scan.

    Args:
        scans: Number of scans.
        quiet: Show nothing.
    """

    def __init__(self, scans: int, *, quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            _Pixels(),
            TimeLeft(),
            console=messages,
            transient=True,
            disable=quiet,
        )
        self._scans = scans
        self._done = 0
        self._bar = self.add_task("", total=None)
        self._scan: Path | None = None

    def show_rows(self, scan: Path, done: int, total: int) -> None:
        """A scan has so many pixels finished, of so many."""
        if scan != self._scan:
            self._scan = scan
            number = f"{self._done + 1}/{self._scans} " if self._scans > 1 else ""
            self.reset(self._bar, total=total, description=f"{number}{scan.name}")
        self.update(self._bar, completed=done)

    def count(self, outcome: "Outcome") -> None:
        """A scan is done, or has failed."""
        self._done += 1
        if not (self.disable or self.console.is_terminal) and self._scans > 1:
            state = "failed" if outcome.written is None else "done"
            name = outcome.source.name
            self.console.print(f"{self._done}/{self._scans} {name}: {state}")


def tell_outcomes(outcomes: Sequence["Outcome"], what: str, out: Path) -> int:
    """Say where the results are.

    Args:
        outcomes: One a scan.
        what: What they are, with places for their number and that of all.
        out: Their folder.

    Returns:
        0, or 1 if a scan failed.
    """
    written = [item.written for item in outcomes if item.written is not None]
    known = sum(not files.is_new for files in written)
    console.print(
        f"{what.format(len(written), len(outcomes))} are in {out}"
        f"{f'; {known} were there already' if known else ''}",
        highlight=False,
    )
    return 1 if len(written) < len(outcomes) else 0


class _Pixels(ProgressColumn):
    """Such as ``12.1/16.8 Mpx, 1.9 Mpx/s``."""

    def render(self, task: Task) -> Text:
        """The pixels of a task."""
        if task.total is None:
            return Text("")
        speed = task.speed or 0.0
        done, total = task.completed / _MEGA, task.total / _MEGA
        return Text(f"{done:.1f}/{total:.1f} Mpx, {speed / _MEGA:.1f} Mpx/s")
