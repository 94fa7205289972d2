"""Which of the scans just predicted deserve a look: the least trusted first."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from segx.cli.console import console

if TYPE_CHECKING:
    from segx.inference.outputs import Outcome

__all__ = ["show_flags"]

_SHOWN = 10


def show_flags(outcomes: "Sequence[Outcome]") -> None:
    """Print a table of the scans that were flagged, or nothing."""
    from segx.inference.summary import read_confidence

    flagged = []
    for outcome in outcomes:
        if outcome.written is None:
            continue
        confidence = read_confidence(outcome.written.summary)
        if confidence.flag is not None:
            dice = confidence.predicted_dice
            flagged.append((-1.0 if dice is None else dice, outcome, confidence.flag))
    if not flagged:
        return
    flagged.sort(key=lambda item: item[0])
    table = Table("scan", "flag", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("predicted Dice", justify="right")
    for dice, outcome, flag in flagged[:_SHOWN]:
        table.add_row(outcome.source.name, flag, "–" if dice < 0 else f"{dice:.2f}")
    more = len(flagged) - _SHOWN
    if more > 0:
        table.caption = f"and {more} more: see the flag in each scan's JSON"
    console.print(table)
