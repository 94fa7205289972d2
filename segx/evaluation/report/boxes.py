"""The report on a detection: precision, and the images with the most mistakes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from segx.boxes import Detections
from segx.errors import SegxError
from segx.evaluation.detection import (
    DETECTION_POLICY,
    BoxCounts,
    DetectedCase,
    DetectionSummary,
)
from segx.evaluation.report.cells import MOST_ROWS, NO_INTERVAL, shown
from segx.evaluation.report.origin import (
    few_patients,
    foot,
    lead,
    origin,
    title,
)
from segx.evaluation.report.sketch import FALSE, MISSED, RIGHT, Look
from segx.geometry import Extent
from segx.pages import (
    Block,
    Column,
    Contour,
    Gallery,
    Headline,
    Line,
    Notice,
    Page,
    Picture,
    Section,
    Table,
    Text,
    shrunk,
    thumbnail,
    write_page,
)
from segx.pages.glance import glance

__all__ = ["report_on_boxes", "write_detection_report"]

_SHOWN = 12
_COUNTS = ("objects", "found", "missed", "false")

Images = Mapping[str, tuple[Path, Extent]]
"""File and size of each case's image, by its name."""


def write_detection_report(
    path: Path,
    summary: DetectionSummary,
    cases: Sequence[DetectedCase],
    *,
    images: Images | None = None,
    look: Look | None = None,
) -> None:
    """Write report.html of a detection, whole or not at all.

    Args:
        path: Where to.
        summary: Made of the cases.
        cases: What was found.
        images: So that mistakes can be shown.
        look: How these files are shown.
    """
    page = report_on_boxes(summary, cases, images=images or {}, look=look or Look())
    write_page(path, page)


def report_on_boxes(
    summary: DetectionSummary,
    cases: Sequence[DetectedCase],
    *,
    images: Images,
    look: Look,
) -> Page:
    """The page of `write_detection_report`, as values."""
    ids = range(1, 1 + len(summary.classes))
    counted = [(case, case.counted(summary.score_threshold, ids)) for case in cases]
    counted.sort(key=lambda pair: (-pair[1].missed - pair[1].false, pair[0].case))
    sections = [
        Section("Per class", _per_class(summary)),
        Section("Most mistakes", _gallery(counted, summary, images, look)),
        Section("All images", [_all_cases(counted)]),
        Section("How these numbers came about", origin(summary.provenance)),
    ]
    return Page(
        kicker="Detection report",
        title=title(summary.provenance),
        lead=lead(summary.provenance, [case.patient for case in cases]),
        top=[*_notices(summary), _headline(summary)],
        sections=[section for section in sections if section.blocks],
        foot=foot(summary.provenance),
    )


def _notices(summary: DetectionSummary) -> list[Notice]:
    notices = few_patients(summary.n_patients)
    absent = [item.name for item in summary.classes if not item.counts.objects]
    if absent:
        text = f"No image holds {', '.join(absent)}: their precision is undefined."
        notices.append(Notice("warning", text))
    if summary.counts.objects and not summary.counts.found:
        text = (
            f"Not one of {summary.counts.objects} objects was found with a score of "
            f"{summary.score_threshold:g} or more."
        )
        notices.insert(0, Notice("warning", text))
    return notices


def _headline(summary: DetectionSummary) -> Headline:
    scores = summary.scores
    of = "mean over classes, 95 % interval"
    at = f"at a score of {summary.score_threshold:g} or more, mean over images"
    return Headline(
        [
            ("mAP@50", shown(scores.map50), of),
            ("mAP", shown(scores.map), f"overlaps 0.5 to 0.95, {of}"),
            ("Sensitivity", shown(scores.sensitivity), at),
            ("Precision", shown(scores.precision), at),
        ]
    )


def _per_class(summary: DetectionSummary) -> list[Block]:
    scores = summary.scores
    table = Table(
        f"Each class by itself, n = {summary.n_cases} images, with the 95 % interval "
        f"over patients{NO_INTERVAL}; the counts are of boxes with a score of "
        f"{summary.score_threshold:g} or more.",
        [
            Column("class", is_text=True),
            Column("images with it"),
            *(Column(heading) for heading in ("AP50", "AP", "AP75")),
            *(Column(name) for name in _COUNTS),
        ],
        [
            [
                *(item.name, item.n_images),
                *(shown(item.ap50), shown(item.ap), shown(item.ap75)),
                *_cells(item.counts),
            ]
            for item in summary.classes
        ],
        totals=[
            [
                *("mean", summary.n_cases),
                *(shown(scores.map50), shown(scores.map), shown(scores.map75)),
                *_cells(summary.counts),
            ]
        ],
    )
    return [Text(DETECTION_POLICY, is_policy=True), table]


def _cells(counts: BoxCounts) -> list[int]:
    return [counts.objects, counts.found, counts.missed, counts.false]


def _gallery(
    counted: Sequence[tuple[DetectedCase, BoxCounts]],
    summary: DetectionSummary,
    images: Images,
    look: Look,
) -> list[Block]:
    """The images with the most mistakes, of those that can be shown."""
    wrong = [pair for pair in counted if pair[1].missed or pair[1].false]
    pictures: list[Picture] = []
    for case, counts in wrong:
        if len(pictures) == _SHOWN:
            break
        if case.case not in images:
            continue
        path, extent = images[case.case]
        try:
            pixels = glance(path, axis=look.axis, intensity=look.intensity)
        except SegxError:
            continue
        details = [
            f"{counts.found} of {counts.objects} found",
            f"{counts.missed} missed, {counts.false} false",
            f"{extent} px",
        ]
        outlines = _outlines(case, extent, summary.score_threshold)
        size = Extent(*pixels.shape[:2])
        pictures.append(Picture(thumbnail(pixels), size, outlines, case.case, details))
    if not pictures:
        return []
    caption = (
        f"The {len(pictures)} images with the most boxes missed or false, of "
        f"{len(wrong)} with any, n = {len(counted)}."
    )
    return [Gallery(caption, pictures)]


def _outlines(case: DetectedCase, extent: Extent, threshold: float) -> list[Contour]:
    """The boxes of a case in the pixels of its picture."""
    size = shrunk(extent)
    rows, cols = size.rows / extent.rows, size.cols / extent.cols
    drawn = [
        _outline(boxes.scaled(rows=rows, cols=cols), line)
        for boxes, line in zip(
            case.verdicts(threshold), (RIGHT, MISSED, FALSE), strict=True
        )
    ]
    return [item for item in drawn if item is not None]


def _outline(boxes: Detections, line: Line) -> Contour | None:
    parts = [
        f"M{left:.1f} {top:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}Z"
        for left, top, right, bottom in boxes.boxes.tolist()
    ]
    return Contour(line, "".join(parts)) if parts else None


def _all_cases(counted: Sequence[tuple[DetectedCase, BoxCounts]]) -> Table:
    """A row an image, those with the most mistakes on top."""
    has_patients = any(case.patient for case, _ in counted)
    part = "all" if len(counted) <= MOST_ROWS else f"the first {MOST_ROWS}"
    return Table(
        f"Images, the most mistakes first: {part} of n = {len(counted)}. cases.csv "
        "beside this page holds every row.",
        [
            Column("case", is_text=True),
            *([Column("patient", is_text=True)] if has_patients else []),
            *(Column(name) for name in _COUNTS),
            Column("sensitivity"),
            Column("precision"),
        ],
        [
            [
                case.case,
                *([case.patient or ""] if has_patients else []),
                *_cells(counts),
                counts.sensitivity,
                counts.precision,
            ]
            for case, counts in counted[:MOST_ROWS]
        ],
        is_long=True,
    )
