"""The report on a classification: ranking, calibration, and the surest mistakes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from segx.errors import SegxError
from segx.evaluation.classification import (
    CLASSIFICATION_POLICY,
    ClassificationSummary,
    ClassifiedCase,
)
from segx.evaluation.report.cells import (
    MOST_CHARTS,
    MOST_ROWS,
    NO_INTERVAL,
    confusion_matrix,
    shown,
)
from segx.evaluation.report.class_charts import (
    calibration,
    is_known,
    is_of,
    roc_charts,
)
from segx.evaluation.report.origin import (
    few_patients,
    foot,
    lead,
    origin,
    title,
)
from segx.evaluation.report.sketch import Look
from segx.geometry import Extent
from segx.labels import UNKNOWN
from segx.metrics.classification import THRESHOLD
from segx.pages import (
    Block,
    Column,
    Gallery,
    Headline,
    Notice,
    Page,
    Picture,
    Section,
    Table,
    Text,
    thumbnail,
    write_page,
)
from segx.pages.glance import glance

__all__ = ["report_on_classes", "write_classification_report"]

_SHOWN = 12
_SCORES = (
    ("AUROC", "auroc"),
    ("average precision", "average_precision"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("Brier", "brier"),
    ("ECE", "ece"),
)


class _Mistake(NamedTuple):
    """A class that a case was wrongly taken for, or that was missed."""

    case: ClassifiedCase
    sureness: float
    text: str


def write_classification_report(
    path: Path,
    summary: ClassificationSummary,
    cases: Sequence[ClassifiedCase],
    *,
    images: Mapping[str, Path] | None = None,
    look: Look | None = None,
) -> None:
    """Write report.html of a classification, whole or not at all.

    Args:
        path: Where to.
        summary: Made of the cases.
        cases: What was predicted.
        images: File of each case, so that mistakes can be shown.
        look: How these files are shown.
    """
    page = report_on_classes(summary, cases, images=images or {}, look=look or Look())
    write_page(path, page)


def report_on_classes(
    summary: ClassificationSummary,
    cases: Sequence[ClassifiedCase],
    *,
    images: Mapping[str, Path],
    look: Look,
) -> Page:
    """The page of `write_classification_report`, as values."""
    names = [item.name for item in summary.classes]
    sections = [
        Section("Per class", _per_class(summary)),
        Section("ROC", roc_charts(summary, cases)),
        Section("Calibration", calibration(summary)),
        Section("Confusion", _confusion(summary)),
        Section("Surest mistakes", _gallery(cases, names, images, look)),
        Section("All cases", [_all_cases(cases, names)]),
        Section("How these numbers came about", origin(summary.provenance)),
    ]
    return Page(
        kicker="Classification report",
        title=title(summary.provenance),
        lead=lead(summary.provenance, [case.patient for case in cases]),
        top=[*_notices(summary), _headline(summary)],
        sections=[section for section in sections if section.blocks],
        foot=foot(summary.provenance),
    )


def _notices(summary: ClassificationSummary) -> list[Notice]:
    absent = [item.name for item in summary.classes if not item.n]
    rarest, n = summary.rarest
    notices = few_patients(n, of=rarest)
    if summary.only_predicted is not None:
        text = f"All {summary.n_cases} cases were taken for {summary.only_predicted}."
        notices.insert(0, Notice("warning", text))
    if absent:
        text = f"No case is of {', '.join(absent)}: what is said of them says little."
        notices.append(Notice("warning", text))
    return notices


def _headline(summary: ClassificationSummary) -> Headline:
    scores = summary.scores
    of = "mean over classes, 95 % interval"
    return Headline(
        [
            ("AUROC", shown(scores.auroc), of),
            ("Balanced accuracy", shown(scores.balanced_accuracy), of),
            ("Average precision", shown(scores.average_precision), of),
            ("Calibration error", shown(scores.ece), f"ECE, {of}; 0 is best"),
        ]
    )


def _per_class(summary: ClassificationSummary) -> list[Block]:
    scores = summary.scores
    table = Table(
        f"Each class against the rest, n = {summary.n_cases} cases, with the 95 % "
        f"interval over patients{NO_INTERVAL}; n: cases that truly are of the class. "
        "Of Brier and ECE less is better.",
        [
            Column("class", is_text=True),
            Column("n"),
            *(Column(heading) for heading, _ in _SCORES),
        ],
        [
            [item.name, item.n, *(shown(getattr(item, key)) for _, key in _SCORES)]
            for item in summary.classes
        ],
        totals=[
            [
                *("mean", summary.n_cases),
                *(shown(scores.auroc), shown(scores.average_precision), "", ""),
                *(shown(scores.brier), shown(scores.ece)),
            ]
        ],
    )
    return [Text(CLASSIFICATION_POLICY, is_policy=True), table, *_thresholds(summary)]


def _thresholds(summary: ClassificationSummary) -> list[Table]:
    if summary.thresholds_from is None:
        return []
    points = [(item.name, item.at_threshold) for item in summary.classes]
    return [
        Table(
            f"At thresholds that were chosen on {summary.thresholds_from} cases, "
            f"n = {summary.n_cases}: a class is found at or above its threshold, in "
            "this table alone; 95 % intervals over patients.",
            [
                Column("class", is_text=True),
                *(Column(name) for name in ("threshold", "sensitivity", "specificity")),
            ],
            [
                [
                    name,
                    point.threshold,
                    shown(point.sensitivity),
                    shown(point.specificity),
                ]
                for name, point in points
                if point is not None
            ],
        )
    ]


def _confusion(summary: ClassificationSummary) -> list[Block]:
    if summary.confusion is None:
        return []
    caption = (
        f"Cases by true and most probable class, n = {summary.n_cases}: share of the "
        "true class (a row), and number."
    )
    return [confusion_matrix(caption, summary.confusion)]


def _gallery(
    cases: Sequence[ClassifiedCase],
    names: Sequence[str],
    images: Mapping[str, Path],
    look: Look,
) -> list[Block]:
    """The mistakes of largest probability whose image can be shown."""
    found = [mistake for case in cases for mistake in _mistakes(case, names)]
    found.sort(key=lambda item: (-item.sureness, item.case.case))
    pictures: list[Picture] = []
    for mistake in found:
        if len(pictures) == _SHOWN:
            break
        try:
            picture = glance(
                images[mistake.case.case], axis=look.axis, intensity=look.intensity
            )
        except (KeyError, SegxError):
            continue
        pictures.append(
            Picture(
                thumbnail(picture),
                Extent(*picture.shape[:2]),
                (),
                mistake.case.case,
                [mistake.text],
            )
        )
    if not pictures:
        return []
    caption = (
        f"The {len(pictures)} mistakes of the largest probability, of {len(found)} "
        f"mistakes in n = {len(cases)} cases."
    )
    return [Gallery(caption, pictures)]


def _mistakes(case: ClassifiedCase, names: Sequence[str]) -> list[_Mistake]:
    if isinstance(case.truth, int):
        named = int(np.argmax(case.probabilities))
        sure = case.probabilities[named]
        text = f"{names[case.truth]}, taken for {names[named]} ({sure:.2f})"
        return [] if named == case.truth else [_Mistake(case, sure, text)]
    found = []
    for name, is_real, probability in zip(
        names, case.truth, case.probabilities, strict=True
    ):
        is_named = probability >= THRESHOLD
        if is_real not in (UNKNOWN, is_named):
            sure = 1 - probability if is_real else probability
            text = f"{name} {'missed' if is_real else 'named'} ({probability:.2f})"
            found.append(_Mistake(case, sure, text))
    return found


def _all_cases(cases: Sequence[ClassifiedCase], names: Sequence[str]) -> Table:
    """A row a case, the least probable truth first, so that mistakes are on top."""
    ordered = sorted(cases, key=lambda case: (_of_truth(case), case.case))
    has_patients = any(case.patient for case in cases)
    may_be_several = any(isinstance(case.truth, tuple) for case in cases)
    columns = [f"p({name})" for name in names]
    if is_wide := len(names) > MOST_CHARTS:
        columns = ["p(truth)", "p(most probable)"]
    part = "all" if len(cases) <= MOST_ROWS else f"the {MOST_ROWS} least probable"
    return Table(
        f"Cases, least probability of the truth first: {part} of n = {len(cases)}. "
        "cases.csv beside this page holds every row in full precision.",
        [
            Column("case", is_text=True),
            *([Column("patient", is_text=True)] if has_patients else []),
            Column("truth", is_text=True),
            Column("named" if may_be_several else "most probable", is_text=True),
            *map(Column, columns),
        ],
        [
            [
                case.case,
                *([case.patient or ""] if has_patients else []),
                ", ".join(name for k, name in enumerate(names) if is_of(case, k)),
                _named(case, names),
                *(
                    (_of_truth(case), max(case.probabilities))
                    if is_wide
                    else case.probabilities
                ),
            ]
            for case in ordered[:MOST_ROWS]
        ],
        is_long=True,
    )


def _named(case: ClassifiedCase, names: Sequence[str]) -> str:
    """The most probable class or, where there may be several, all that are found."""
    if isinstance(case.truth, int):
        return names[int(np.argmax(case.probabilities))]
    found = zip(names, case.probabilities, strict=True)
    return ", ".join(name for name, probability in found if probability >= THRESHOLD)


def _of_truth(case: ClassifiedCase) -> float:
    """Probability that was given to the truth; of several, the least."""
    return min(
        probability if is_of(case, index) else 1 - probability
        for index, probability in enumerate(case.probabilities)
        if is_of(case, index)
        or (not isinstance(case.truth, int) and is_known(case, index))
    )
