"""The charts of the report on masks: what stands behind the means."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from segx.evaluation.cases import CaseRow
from segx.evaluation.report.cells import MOST_CHARTS, in_words, shown
from segx.evaluation.summary import Summary
from segx.pages import Block, Chart, Charts
from segx.pages.charts import MOST_GROUPS, Strip, dots, strip_legend, strips
from segx.pages.reliability import reliability
from segx.pages.render import spaced

__all__ = ["calibration", "distribution", "size_chart"]


def distribution(summary: Summary, rows: Sequence[CaseRow]) -> list[Block]:
    """Dice and hd95 of each case, by class."""
    by_class = _by_class(rows)
    legend = strip_legend(summary.n_cases, len(summary.classes))
    dice = [
        Strip(
            f"{item.name} (n = {item.n_defined})",
            [row.counts.dice for row in by_class[item.name]],
            shown(item.dice),
        )
        for item in summary.classes
    ]
    charts = [
        Chart(
            strips(dice, axis="Dice", limits=(0, 1)),
            f"Dice of each case by class. {legend} The diamond is the mean with its "
            "95 % interval.",
        )
    ]
    distances = {
        item.name: [row.distances.hd95 for row in by_class[item.name] if row.distances]
        for item in summary.classes
        if item.hd95 is not None
    }
    if any(map(_has_finite, distances.values())):
        drawn = [
            Strip(f"{name} (n = {sum(map(math.isfinite, values))})", values)
            for name, values in distances.items()
        ]
        text = (
            f"hd95 of each case by class, in {summary.unit}. {legend} Failures have no "
            "place here."
        )
        largest = max(filter(math.isfinite, chain(*distances.values())))
        svg = strips(drawn, axis=f"hd95, {summary.unit}", limits=(0, largest or 1))
        charts.append(Chart(svg, text))
    return [Charts(charts)]


def size_chart(summary: Summary, rows: Sequence[CaseRow]) -> list[Block]:
    """Dice of each case over the size of what was to be found."""
    grouped = [item for item in summary.classes if item.by_size]
    if not grouped:
        return []
    unit = in_words(grouped[0].by_size[0].unit)
    by_class = _by_class(rows)
    real = {
        item.name: [row for row in by_class[item.name] if row.counts.tp + row.counts.fn]
        for item in grouped
    }
    if len(real) > MOST_GROUPS:
        real = {"all classes": [row for cases in real.values() for row in cases]}
    places = [
        (name, [row.size.value for row in cases], [row.counts.dice for row in cases])
        for name, cases in real.items()
    ]
    n = sum(map(len, real.values()))
    chart = Chart(
        dots(
            places,
            x_axis=f"size of the truth, {unit}",
            y_axis="Dice",
            is_log=True,
            y_limits=(0, 1),
        ),
        f"Dice by size of the truth, in {unit}; a dot is a class in a case that has "
        f"it (n = {n}).",
    )
    return [Charts([chart])]


def calibration(summary: Summary) -> list[Block]:
    """Probability against frequency, where known; of many classes the worst."""
    known = [
        (item.name, item.reliability)
        for item in summary.classes
        if item.reliability is not None
    ]
    worst = sorted(known, key=lambda item: -item[1].ece)[:MOST_CHARTS]
    charts = [
        Chart(
            reliability(
                bins.probability,
                bins.frequency,
                bins.n,
                unit="pixels",
                has_intervals=False,
            ),
            f"{name}: share of the pixels that are of the class by predicted "
            f"probability, n = {spaced(f'{sum(bins.n):,}')} pixels in 15 bins; "
            f"expected calibration error {bins.ece:.3f}. Above the diagonal the "
            "model is too cautious, below it too sure. Pixels of a case go together: "
            "no interval.",
        )
        for name, bins in known
        if (name, bins) in worst
    ]
    return [Charts(charts)] if charts else []


def _by_class(rows: Sequence[CaseRow]) -> Mapping[str, list[CaseRow]]:
    found: defaultdict[str, list[CaseRow]] = defaultdict(list)
    for row in rows:
        found[row.class_name].append(row)
    return found


def _has_finite(values: Sequence[float]) -> bool:
    return bool(np.isfinite(values).any())
