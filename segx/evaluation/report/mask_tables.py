"""The tables of the report on masks: a class a row, and a case a row."""

import math
from collections.abc import Sequence

from segx.evaluation.cases import CaseRow
from segx.evaluation.report.cells import (
    MOST_ROWS,
    NO_INTERVAL,
    confusion_matrix,
    in_words,
    shown,
)
from segx.evaluation.summary import POLICY, Summary
from segx.pages import Block, Cell, Column, Table, Text

__all__ = [
    "all_cases",
    "by_size",
    "confusion",
    "per_class",
]

_COUNTED = ("n_defined", "n_empty_truth", "n_false_positive_on_empty", "n_missed")


def per_class(summary: Summary) -> list[Block]:
    """Overlap, surfaces and presence, with the policy beside them."""
    foreground = summary.foreground
    means = ("dice", "iou", "sensitivity", "precision")
    overlap = Table(
        f"Overlap of each class, n = {summary.n_cases} cases: mean over those "
        "where it is defined, from 0 to 1, with the 95 % interval over patients"
        f"{NO_INTERVAL}. n: cases with a Dice; empty: cases without the class in the "
        "truth; false+: those of them where it was predicted; no hit: cases with the "
        "class and not one pixel of it right.",
        [
            Column("class", is_text=True),
            *(Column(name) for name in ("Dice", "IoU", "sensitivity", "precision")),
            *(Column(name) for name in ("n", "empty", "false+", "no hit")),
        ],
        [
            [
                item.name,
                *(shown(getattr(item, name)) for name in means),
                *(getattr(item, name) for name in _COUNTED),
            ]
            for item in summary.classes
        ],
        totals=[
            [
                "foreground mean",
                *(shown(getattr(foreground, name)) for name in means),
                *("" for _ in _COUNTED),
            ]
        ],
    )
    return [
        Text(POLICY, is_policy=True),
        overlap,
        *_surfaces(summary),
        _presence(summary),
    ]


def _surfaces(summary: Summary) -> list[Block]:
    found = [(item, item.hd95) for item in summary.classes if item.hd95 is not None]
    if not found:
        return []
    nearness = [shown(item.nsd) for item, _ in found]
    caption = (
        f"Surfaces, n = {summary.n_cases} cases, in {summary.unit}. hd95: the larger "
        "of the two 95th percentiles of surface distances; its median is over the "
        "measured cases, and failures are cases where only one of truth and "
        "prediction has the class."
    )
    columns = [
        Column("class", is_text=True),
        Column(f"median hd95, {summary.unit}", digits=2),
        Column("measured"),
        Column("failures"),
    ]
    rows: list[list[Cell]] = [
        [item.name, distance.median, distance.n, distance.n_failures]
        for item, distance in found
    ]
    if summary.tolerance is not None:
        within = f"{summary.tolerance:g} {summary.unit}"
        caption += f" nsd: mean share of both surfaces within {within}."
        columns.append(Column(f"nsd at {within}"))
        rows = [[*row, near] for row, near in zip(rows, nearness, strict=True)]
    return [Table(caption, columns, rows)]


def _presence(summary: Summary) -> Table:
    return Table(
        f"What Dice can't say, n = {summary.n_cases} cases. predicted: share of the "
        "cases with the class where any of it was predicted, right or wrong; absent: "
        "share of those without it where none was; volume: (predicted − true) / true; "
        "pooled Dice: of the pixels of all cases together.",
        [
            Column("class", is_text=True),
            Column("predicted"),
            Column("absent"),
            Column("volume"),
            Column("pooled Dice"),
        ],
        [
            [
                item.name,
                shown(item.presence_sensitivity),
                shown(item.presence_specificity),
                shown(item.volume_error),
                item.dice_global,
            ]
            for item in summary.classes
        ],
    )


def confusion(summary: Summary) -> list[Block]:
    """Pixels by true and predicted class, where they were counted."""
    if summary.confusion is None:
        return []
    return [
        confusion_matrix(
            f"Pixels by true and predicted class, all n = {summary.n_cases} cases "
            "together: share of the true class (a row), and number.",
            summary.confusion,
        )
    ]


def by_size(summary: Summary) -> list[Table]:
    """Dice of small, middle and large objects."""
    grouped = [item for item in summary.classes if item.by_size]
    if not grouped:
        return []
    unit = in_words(grouped[0].by_size[0].unit)
    names = ("small", "middle", "large")
    return [
        Table(
            "Dice by size of the truth: the cases that have the class, in three groups "
            f"of equal number; sizes in {unit}, mean Dice with its 95 % interval.",
            [
                Column("class", is_text=True),
                Column("group", is_text=True),
                Column(f"from, {unit}", digits=0),
                Column(f"to, {unit}", digits=0),
                Column("n"),
                Column("Dice"),
            ],
            [
                [
                    *(item.name, names[index], group.smallest, group.largest),
                    *(group.dice.n, shown(group.dice)),
                ]
                for item in grouped
                for index, group in enumerate(item.by_size)
            ],
        )
    ]


def all_cases(summary: Summary, rows: Sequence[CaseRow]) -> list[Block]:
    """A row a case and class, the worst first, so that none of these is left out."""
    ordered = sorted(
        rows,
        key=lambda row: (_last_if_nan(row.counts.dice), row.case, row.class_name),
    )
    has_patients = any(row.patient for row in rows)
    has_distances = summary.unit is not None
    has_nsd = summary.tolerance is not None
    columns = [
        Column("case", is_text=True),
        *([Column("patient", is_text=True)] if has_patients else []),
        Column("class", is_text=True),
        *(Column(name) for name in ("Dice", "IoU", "sens.", "prec.")),
        *([Column(f"hd95, {summary.unit}", digits=2)] if has_distances else []),
        *([Column("nsd")] if has_nsd else []),
        *(Column(name) for name in ("TP", "FP", "FN")),
    ]
    cells: list[list[Cell]] = []
    for row in ordered[:MOST_ROWS]:
        counts, distances = row.counts, row.distances
        cells.append(
            [
                row.case,
                *([row.patient or ""] if has_patients else []),
                row.class_name,
                *(counts.dice, counts.iou, counts.sensitivity, counts.precision),
                *([distances.hd95 if distances else None] if has_distances else []),
                *([distances.nsd if distances else None] if has_nsd else []),
                *(counts.tp, counts.fp, counts.fn),
            ]
        )
    part = (
        "all of them" if len(rows) <= MOST_ROWS else f"the {MOST_ROWS} of lowest Dice"
    )
    caption = (
        f"Cases and classes, lowest Dice first: {part} of n = {len(rows)}; TP, FP and "
        "FN in pixels. cases.csv beside this page holds every row in full precision."
    )
    return [Table(caption, columns, cells, is_long=True)]


def _last_if_nan(value: float) -> float:
    return math.inf if math.isnan(value) else value
