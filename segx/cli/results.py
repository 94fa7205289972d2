"""The table of results that `segx test` and `segx demo` print."""

import math
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from segx.evaluation.classification import ClassificationSummary
    from segx.evaluation.summary import Summary

__all__ = ["result_table"]


def result_table(summary: "Summary | ClassificationSummary", *, title: str) -> Table:
    """Headline and classes, with the counts that a mean can't say beside it."""
    from segx.evaluation.summary import Summary

    if isinstance(summary, Summary):
        return _segmentation(summary, title=title)
    return _classification(summary, title=title)


def _segmentation(summary: "Summary", *, title: str) -> Table:
    from segx.evaluation.summary import POLICY

    means = ("dice", "iou", "sensitivity", "precision")
    counts = ("n_defined", "n_empty_truth", "n_false_positive_on_empty", "n_missed")
    heads = ("Dice", "IoU", "sens.", "prec.", "n", "empty", "false+", "missed")
    legend = (
        "n: cases with a Dice; empty: cases without the class in the truth; "
        "false+: those where it was predicted; missed: cases where none of it was "
        "found."
    )
    table = _table(
        heads, title=f"{title} (n = {summary.n_cases})", caption=f"{POLICY} {legend}"
    )
    for item in summary.classes:
        ratios = [_shown(getattr(item, name)) for name in means]
        table.add_row(
            item.name, *ratios, *(str(getattr(item, name)) for name in counts)
        )
    table.add_section()
    table.add_row("foreground", *(_shown(getattr(summary, name)) for name in means))
    return table


def _classification(summary: "ClassificationSummary", *, title: str) -> Table:
    names = ("auroc", "average_precision", "sensitivity", "brier", "ece")
    heads = ("n", "AUROC", "AP", "sens.", "Brier", "ECE")
    title = f"{title} (n = {summary.n_cases})"
    table = _table(heads, title=title, caption=summary.policy)
    for label, scores in summary.classes.items():
        values = (_shown(getattr(scores, name)) for name in names)
        table.add_row(label, str(scores.n), *values)
    table.add_section()
    mean = summary.scores
    headline = (
        mean.auroc,
        mean.average_precision,
        mean.balanced_accuracy,
        mean.brier,
        mean.ece,
    )
    table.add_row("mean", str(summary.n_cases), *(_shown(value) for value in headline))
    return table


def _table(heads: tuple[str, ...], *, title: str, caption: str) -> Table:
    """A table that fits 80 columns: a class a row, numbers to the right."""
    table = Table(
        title=title,
        caption=caption,
        box=box.SIMPLE_HEAD,
        caption_justify="left",
        pad_edge=False,
    )
    table.add_column("class", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _shown(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
