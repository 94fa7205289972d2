"""Measure a trained detector on whole cases, searched as `segx predict` does."""

from collections.abc import Callable, Sequence
from pathlib import Path

from segx.config import FitConfig
from segx.data.boxes import BoxSet
from segx.data.case import SplitName
from segx.data.datamodule import SegxDataModule
from segx.errors import DataError
from segx.evaluation.detection import (
    DetectedCase,
    DetectionSummary,
    summarise_detected,
)
from segx.evaluation.provenance import Provenance, versions
from segx.evaluation.records import write_table
from segx.evaluation.report import Look, write_detection_report
from segx.evaluation.summary_file import write_detection_summary
from segx.inference.detect import BoxPredictor
from segx.labels import Labels
from segx.metrics.case_boxes import check_counting

__all__ = ["measure_boxes"]

_COLUMNS = ("case", "patient", "objects", "found", "missed", "false")


def measure_boxes(
    predictor: BoxPredictor,
    data: SegxDataModule,
    out: Path,
    *,
    config: FitConfig | None = None,
    split: SplitName = "test",
    on_case: Callable[[int, int], None] | None = None,
) -> DetectionSummary:
    """Search every case of a split and write cases.csv, summary.json, report.html.

    Args:
        predictor: A trained detector; boxes of any score are asked of it.
        data: The data set, split as it was for the training.
        out: Folder for the files.
        config: The run's config, to be written down beside the numbers.
        split: The cases to measure on.
        on_case: Called with the number of cases done, and of all.

    Raises:
        DataError: If the split is empty, or the data set has other classes than the
            detector was trained on.
        MissingExtraError: If the package is not installed that scores boxes.
    """
    check_counting()
    boxes = _boxes_of(data, split, predictor.labels)
    cases = dict(data.splits.items())[split]
    searched, detected = predictor.of_every_score(), []
    for done, case in enumerate(cases, start=1):
        found = searched.detect(case.images)
        truth = boxes.by_case[case.id]
        detected.append(DetectedCase(case.id, case.patient, found, truth))
        if on_case is not None:
            on_case(done, len(cases))
    summary = summarise_detected(
        detected,
        class_names=boxes.names,
        score_threshold=predictor.spec.inference.score_threshold,
        provenance=_provenance(predictor, data, config, split),
    )
    write_table(out / "cases.csv", _COLUMNS, (_row(case, summary) for case in detected))
    write_detection_summary(out / "summary.json", summary)
    extents = data.survey.extents
    write_detection_report(
        out / "report.html",
        summary,
        detected,
        images={case.id: (case.image, extents[case.id]) for case in cases},
        look=Look(predictor.spec.axis, predictor.spec.intensity),
    )
    return summary


def _row(case: DetectedCase, summary: DetectionSummary) -> Sequence[str | int | None]:
    ids = range(1, 1 + len(summary.classes))
    n = case.counted(summary.score_threshold, ids)
    return case.case, case.patient, n.objects, n.found, n.missed, n.false


def _boxes_of(data: SegxDataModule, split: SplitName, trained: Labels) -> BoxSet:
    """The true objects, if there are cases, of the classes that were learnt."""
    if not dict(data.splits.items())[split]:
        raise DataError(
            f"{data.layout.root} has no {split} cases. Measure on others (--split "
            "val), or keep some back before training: --data.test_split 0.2"
        )
    if data.boxes is None or data.boxes.labels != trained:
        holds = data.boxes.labels if data.boxes else "no boxes"
        raise DataError(
            f"The detector was trained on {trained}, but {data.layout.root} holds "
            f"{holds}. Measure it on a data set with the same classes."
        )
    return data.boxes


def _provenance(
    predictor: BoxPredictor,
    data: SegxDataModule,
    config: FitConfig | None,
    split: SplitName,
) -> Provenance:
    """How the numbers come about."""
    views = len(predictor.views)
    return Provenance(
        truth=str(data.layout.root),
        prediction=str(predictor.source),
        model_sha256=predictor.digest or None,
        engine=predictor.about,
        split=split,
        splits=tuple((name, len(cases)) for name, cases in data.splits.items()),
        config=config.model_dump(mode="json") if config else None,
        notes=(f"found in any of {views} test-time views",) if views > 1 else (),
        versions=versions(),
    )
