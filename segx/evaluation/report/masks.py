"""The report on masks: overlap, distances, and the cases behind the means."""

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from segx.evaluation.cases import CaseRow
from segx.evaluation.report.cells import shown
from segx.evaluation.report.mask_charts import calibration, distribution, size_chart
from segx.evaluation.report.mask_tables import (
    all_cases,
    by_size,
    confusion,
    per_class,
)
from segx.evaluation.report.origin import (
    few_patients,
    foot,
    lead,
    origin,
    title,
)
from segx.evaluation.report.sketch import Look, Sketch, draw
from segx.evaluation.summary import Summary
from segx.labels import Labels
from segx.metrics.overlap import defined_mean
from segx.pages import (
    Block,
    Gallery,
    Headline,
    Notice,
    Page,
    Section,
    write_page,
)

__all__ = ["report_on_masks", "write_report"]

_SHOWN = 3  # cases from each end, and from the middle


def write_report(
    path: Path,
    summary: Summary,
    rows: Sequence[CaseRow],
    *,
    labels: Labels,
    sketches: Sequence[Sketch] = (),
    look: Look | None = None,
) -> None:
    """Write report.html, whole or not at all.

    Args:
        path: Where to.
        summary: Made of the rows.
        rows: One a case and class.
        labels: What the masks' values mean.
        sketches: One a case; without them no case is drawn.
        look: How the images of the sketches are shown.
    """
    page = report_on_masks(
        summary, rows, labels=labels, sketches=sketches, look=look or Look()
    )
    write_page(path, page)


def report_on_masks(
    summary: Summary,
    rows: Sequence[CaseRow],
    *,
    labels: Labels,
    sketches: Sequence[Sketch],
    look: Look,
) -> Page:
    """The page of `write_report`, as values."""
    by_case = {row.case: row.patient for row in rows}
    sections = [
        Section("Per class", per_class(summary)),
        Section("Distribution", distribution(summary, rows)),
        Section("Cases to look at", _galleries(rows, sketches, labels, look)),
        Section("Confusion", confusion(summary)),
        Section("Size", [*by_size(summary), *size_chart(summary, rows)]),
        Section("Calibration", calibration(summary)),
        Section("All cases", all_cases(summary, rows)),
        Section("How these numbers came about", origin(summary.provenance)),
    ]
    return Page(
        kicker="Segmentation report",
        title=title(summary.provenance),
        lead=lead(summary.provenance, by_case.values()),
        top=[*_notices(summary), _headline(summary)],
        sections=[section for section in sections if section.blocks],
        foot=foot(summary.provenance),
    )


def _notices(summary: Summary) -> list[Block]:
    """What a mean hides: few patients, no hit, and predictions where nothing is."""
    missed = [
        f"{item.name} in {item.n_missed} of {summary.n_cases - item.n_empty_truth}"
        for item in summary.classes
        if item.n_missed
    ]
    made_up = [
        f"{item.name} in {item.n_false_positive_on_empty} of {item.n_empty_truth}"
        for item in summary.classes
        if item.n_false_positive_on_empty
    ]
    notices: list[Block] = [*few_patients(summary.n_patients)]
    if missed:
        of = f"{', '.join(missed)} cases that have it"
        text = f"No hit, not one pixel right: {of}. Dice is 0."
        notices.append(Notice("warning", text))
    if made_up:
        text = f"Predicted without being there: {', '.join(made_up)} cases. Dice is 0."
        notices.append(Notice("warning", text))
    return notices


def _headline(summary: Summary) -> Headline:
    foreground = summary.foreground
    several = len(summary.classes) > 1
    of = "foreground mean of the class means" if several else "mean over cases"
    numbers = [
        ("Dice", shown(foreground.dice), f"{of}, 95 % interval"),
        ("IoU", shown(foreground.iou), f"{of}, 95 % interval"),
    ]
    if foreground.nsd is not None:
        within = f"surface within {summary.tolerance:g} {summary.unit}, 95 % interval"
        numbers.append(("NSD", shown(foreground.nsd), within))
    missed = sum(item.n_missed for item in summary.classes)
    real = sum(summary.n_cases - item.n_empty_truth for item in summary.classes)
    counted = ("No hit", missed, f"of {real} pairs of class and case")
    return Headline([*numbers, counted])


def _galleries(
    rows: Sequence[CaseRow],
    sketches: Sequence[Sketch],
    labels: Labels,
    look: Look,
) -> list[Block]:
    """The worst, middle and best cases that have a Dice and a sketch."""
    kept = {item.case: item for item in sketches}
    scores = _case_scores(rows)
    ranked = sorted(
        (name for name in scores if name in kept and not math.isnan(scores[name])),
        key=lambda name: (scores[name], name),
    )
    if not ranked:
        return []
    details = defaultdict(list)
    for row in rows:
        if not math.isnan(row.counts.dice):
            details[row.case].append(f"{row.class_name}: Dice {row.counts.dice:.3f}")
    middle = max(0, (len(ranked) - _SHOWN) // 2)
    parts = {
        "lowest": ranked[:_SHOWN],
        "middle": ranked[middle : middle + _SHOWN],
        "highest": ranked[-_SHOWN:],
    }
    if len(ranked) <= 3 * _SHOWN:
        parts = {"lowest to highest": ranked}
    what = "mean over classes" if len(labels.foreground) > 1 else labels.foreground[0]
    is_flat = all(item.planes == 1 for item in sketches)
    of = "" if is_flat else "; of a volume the plane with most truth and prediction"
    return [
        Gallery(
            f"The cases of {name} Dice ({what}), of n = {len(ranked)}{of}.",
            [
                draw(kept[case], labels=labels, look=look, details=details[case])
                for case in cases
            ],
        )
        for name, cases in parts.items()
    ]


def _case_scores(rows: Sequence[CaseRow]) -> dict[str, float]:
    """Mean Dice over the classes of each case."""
    found = defaultdict(list)
    for row in rows:
        found[row.case].append(row.counts.dice)
    return {case: defined_mean(values) for case, values in found.items()}
