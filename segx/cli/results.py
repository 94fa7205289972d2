"""The tables of results that `segx test`, `evaluate` and `compare` print."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from segx.evaluation.bootstrap import Estimate
    from segx.evaluation.classification import ClassificationSummary
    from segx.evaluation.compare import Comparison, Difference
    from segx.evaluation.compare_classified import ClassifiedComparison
    from segx.evaluation.detection import BoxCounts, DetectionSummary
    from segx.evaluation.policies import PolicyDice
    from segx.evaluation.summary import ClassSummary, Summary

__all__ = [
    "comparison_table",
    "policy_table",
    "result_tables",
    "score_comparison_table",
]

_LONGEST_HEAD = 12  # letters; longer ones, as names of runs may be, are folded
_LEGEND = (
    "Means over cases; foreground: mean of the classes. n: cases with a Dice; empty: "
    "without the class in the truth; false+: those where it was predicted; no hit: "
    "cases with the class and not one pixel of it right."
)
_MORE = (
    "volume: (predicted - true) / true. hd95: median over the cases where both "
    "surfaces exist; failed: only one does. predicted: share of the cases with the "
    "class where any of it was predicted, right or wrong; absent: share of those "
    "without it where none was."
)
_CLASSES = (
    "Each class against the rest, over the cases where it is known. AP: average "
    "precision; sens., spec.: of what was decided. Of Brier and ECE less is better."
)


_BOXES = (
    "AP: average precision, mean over the overlaps 0.5 to 0.95; AP50: at an overlap of "
    "0.5. Of boxes with a score of {threshold:g} or more, found: objects covered by "
    "0.5 or more; false: boxes that cover none."
)


def result_tables(
    summary: "Summary | ClassificationSummary | DetectionSummary", *, title: str
) -> list[Table]:
    """Headline and classes, with the counts that a mean can't say beside it."""
    from segx.evaluation.detection import DetectionSummary
    from segx.evaluation.summary import Summary

    title = f"{title} (n = {summary.n_cases})"
    if isinstance(summary, Summary):
        return [_overlap(summary, title=title), _more(summary)]
    if isinstance(summary, DetectionSummary):
        return [_boxes(summary, title=title)]
    return [_classification(summary, title=title)]


def policy_table(found: "PolicyDice") -> Table:
    """Dice as another tool would report it."""
    table = _table(["Dice"], title=found.policy)
    for name, value in found.classes:
        table.add_row(name, _shown(value))
    table.add_section()
    table.add_row("foreground", _shown(found.foreground))
    return table


def comparison_table(found: "Comparison", *, names: tuple[str, str]) -> Table:
    """Paired differences of the classes and of the foreground, with intervals."""
    first, second = names
    table = _table(
        [first, second, "change", "95 %", "n", "wins", "losses"],
        title=f"{found.metric}: {second} - {first} (n = {found.n_cases})",
        caption=f"Over the cases where both are defined. Wins: cases where {second} "
        f"is better. {_interval_note(found.n_patients)}",
    )
    for item in found.classes:
        table.add_row(*_difference(item))
    table.add_section()
    table.add_row(*_difference(found.foreground))
    return table


def score_comparison_table(
    found: "ClassifiedComparison", *, names: tuple[str, str]
) -> Table:
    """Paired differences of two classifiers' scores, with intervals."""
    first, second = names
    table = _table(
        [first, second, "change", "95 %"],
        title=f"scores: {second} - {first} (n = {found.n_cases})",
        caption=f"Of Brier and ECE less is better. Decided right only by {second}: "
        f"{found.wins} cases, only by {first}: {found.losses}. "
        f"{_interval_note(found.n_patients)}",
        rows="score",
    )
    for item in found.scores:
        gap = item.difference
        table.add_row(
            item.name,
            _shown(item.first),
            _shown(item.second),
            _signed(gap.value),
            _interval(gap, form="+.3f"),
        )
    return table


def _difference(item: "Difference") -> list[str]:
    gap = item.difference
    return [
        item.name,
        _shown(item.first),
        _shown(item.second),
        _signed(gap.value),
        _interval(gap, form="+.3f"),
        str(gap.n),
        str(item.wins),
        str(item.losses),
    ]


def _overlap(summary: "Summary", *, title: str) -> Table:
    note = _interval_note(summary.n_patients)
    table = _table(
        ["Dice", "95 %", "IoU", "95 %", "n", "empty", "false+", "no hit"],
        title=title,
        caption=f"{_LEGEND} {note}",
    )
    counts = ("n_defined", "n_empty_truth", "n_false_positive_on_empty", "n_missed")
    for item in summary.classes:
        table.add_row(
            item.name,
            *_with_intervals(item.dice, item.iou),
            *(str(getattr(item, name)) for name in counts),
        )
    table.add_section()
    mean = summary.foreground
    table.add_row("foreground", *_with_intervals(mean.dice, mean.iou))
    return table


def _more(summary: "Summary") -> Table:
    unit = summary.unit or ""
    nsd = f"nsd@{summary.tolerance:g} {unit}" if summary.tolerance else "nsd"
    distances = (f"hd95 {unit}".strip(), "failed", nsd)
    table = _table(
        ["sens.", "prec.", "volume", *distances, "predicted", "absent"],
        title="Further measures",
        caption=_MORE,
    )
    for item in summary.classes:
        table.add_row(item.name, *_measures(item))
    table.add_section()
    mean = summary.foreground
    table.add_row(
        "foreground",
        _shown(mean.sensitivity.value),
        _shown(mean.precision.value),
        "",
        "",
        "",
        _shown(mean.nsd.value) if mean.nsd else "",
    )
    return table


def _measures(item: "ClassSummary") -> list[str]:
    return [
        _shown(item.sensitivity.value),
        _shown(item.precision.value),
        _signed(item.volume_error.value),
        f"{item.hd95.median:.2f}" if item.hd95 and item.hd95.n else "–",
        str(item.hd95.n_failures) if item.hd95 else "–",
        _shown(item.nsd.value) if item.nsd else "–",
        _shown(item.presence_sensitivity.value),
        _shown(item.presence_specificity.value),
    ]


def _classification(summary: "ClassificationSummary", *, title: str) -> Table:
    heads = ["n", "AUROC", "95 %", "AP", "sens.", "spec.", "Brier", "ECE"]
    note = _interval_note(summary.n_patients, rarest=summary.rarest)
    if summary.only_predicted is not None:
        note += f" All cases were taken for {summary.only_predicted}."
    table = _table(heads, title=title, caption=f"{_CLASSES} {note}")
    for item in summary.classes:
        rest = (
            item.average_precision,
            item.sensitivity,
            item.specificity,
            item.brier,
            item.ece,
        )
        table.add_row(
            item.name,
            str(item.n),
            *_with_intervals(item.auroc),
            *(_shown(value.value) for value in rest),
        )
    table.add_section()
    mean = summary.scores
    table.add_row(
        "mean",
        str(summary.n_cases),
        *_with_intervals(mean.auroc),
        _shown(mean.average_precision.value),
        "",
        "",
        _shown(mean.brier.value),
        _shown(mean.ece.value),
    )
    accuracy = mean.balanced_accuracy
    table.add_row("balanced accuracy", "", *_with_intervals(accuracy))
    return table


def _boxes(summary: "DetectionSummary", *, title: str) -> Table:
    note = _interval_note(summary.n_patients)
    legend = _BOXES.format(threshold=summary.score_threshold)
    heads = ["AP50", "95 %", "AP", "AP75", "objects", "found", "missed", "false"]
    table = _table(heads, title=title, caption=f"{legend} {note}")
    for item in summary.classes:
        rest = (_shown(item.ap.value), _shown(item.ap75.value))
        table.add_row(
            item.name, *_with_intervals(item.ap50), *rest, *_counts(item.counts)
        )
    table.add_section()
    mean = summary.scores
    table.add_row(
        "mean",
        *_with_intervals(mean.map50),
        _shown(mean.map.value),
        _shown(mean.map75.value),
        *_counts(summary.counts),
    )
    return table


def _counts(counts: "BoxCounts") -> list[str]:
    numbers = (counts.objects, counts.found, counts.missed, counts.false)
    return [str(number) for number in numbers]


def _table(
    heads: Sequence[str], *, title: str, caption: str = "", rows: str = "class"
) -> Table:
    """A table that fits 80 columns: a class a row, numbers to the right."""
    table = Table(
        title=title,
        caption=caption,
        box=box.SIMPLE_HEAD,
        caption_justify="left",
        collapse_padding=True,
        pad_edge=False,
    )
    table.add_column(rows, overflow="fold")
    for head in heads:
        is_short = len(head) <= _LONGEST_HEAD
        table.add_column(head, justify="right", no_wrap=is_short, overflow="fold")
    return table


def _with_intervals(*estimates: "Estimate") -> Iterable[str]:
    for estimate in estimates:
        yield _shown(estimate.value)
        yield _interval(estimate)


def _interval(estimate: "Estimate", *, form: str = ".3f") -> str:
    if math.isnan(estimate.low) or estimate.draws_agree:
        return "–"
    dash = "–" if form == ".3f" else " … "
    return f"{estimate.low:{form}}{dash}{estimate.high:{form}}"


def _interval_note(n_patients: int, *, rarest: tuple[str, int] | None = None) -> str:
    """What intervals rest on; of classes, on the patients of the rarest."""
    from segx.evaluation.bootstrap import FEW_PATIENTS

    note = f"95 %: {n_patients} patients drawn anew, – where all draws agree"
    name, n = rarest or ("", n_patients)
    if n >= FEW_PATIENTS:
        return f"{note}."
    of = f" ('{name}' has {n})" if name else ""
    return f"{note}; under {FEW_PATIENTS}{of} intervals tend to be too narrow."


def _shown(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _signed(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.3f}"
