"""summary.json: the headlines of an evaluation, with their policy and provenance."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from segx.evaluation.bootstrap import DRAWS, FEW_PATIENTS, LEVEL, Estimate
from segx.evaluation.classification import (
    CLASSIFICATION_POLICY,
    ClassificationSummary,
)
from segx.evaluation.detection import DETECTION_POLICY, DetectionSummary
from segx.evaluation.records import Json, write_json
from segx.evaluation.summary import POLICY, Summary
from segx.metrics.ranking import Roc

__all__ = [
    "write_classification_summary",
    "write_detection_summary",
    "write_summary",
]


def write_summary(path: Path, summary: Summary) -> None:
    """Write summary.json; an undefined number is null there.

    Beside each mean stand its interval, whether that is none since all draws agree, and
    the number of cases and patients that it is made of.
    """
    content: dict[str, Json] = {
        "task": "segmentation",
        "policy": POLICY,
        **_counted(summary),
        "tolerance": summary.tolerance,
        "unit": summary.unit,
        "foreground": _plain(summary.foreground),
        "classes": {item.name: _plain(item) for item in summary.classes},
        "confusion": _plain(summary.confusion),
        "provenance": _plain(summary.provenance),
    }
    write_json(path, content)


def write_classification_summary(path: Path, summary: ClassificationSummary) -> None:
    """Write summary.json of a classification, as `write_summary` does."""
    content: dict[str, Json] = {
        "task": "classification",
        "policy": CLASSIFICATION_POLICY,
        **_counted(summary),
        "thresholds_from": summary.thresholds_from,
        "scores": _plain(summary.scores),
        "classes": {item.name: _plain(item) for item in summary.classes},
        "confusion": _plain(summary.confusion),
        "provenance": _plain(summary.provenance),
    }
    write_json(path, content)


def write_detection_summary(path: Path, summary: DetectionSummary) -> None:
    """Write summary.json of boxes, as `write_summary` does."""
    content: dict[str, Json] = {
        "task": "detection",
        "policy": DETECTION_POLICY,
        **_counted(summary),
        "score_threshold": summary.score_threshold,
        "scores": _plain(summary.scores),
        "counts": _plain(summary.counts),
        "classes": {item.name: _plain(item) for item in summary.classes},
        "provenance": _plain(summary.provenance),
    }
    write_json(path, content)


def _counted(
    summary: Summary | ClassificationSummary | DetectionSummary,
) -> dict[str, Json]:
    few = f"Under {FEW_PATIENTS} patients: intervals tend to be too narrow."
    n = summary.n_patients
    if isinstance(summary, ClassificationSummary):
        n = summary.rarest[1]
    return {
        "n_cases": summary.n_cases,
        "n_patients": summary.n_patients,
        "interval": {
            "level": LEVEL,
            "draws": DRAWS,
            "drawn": "patients",
            "warning": few if n < FEW_PATIENTS else None,
        },
    }


def _plain(value: object) -> Json:
    """A value as strict JSON has it; nan and infinite numbers become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        if isinstance(value, Estimate):
            names.append("draws_agree")
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Roc):
        return {name: _plain(points) for name, points in value._asdict().items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"{type(value).__name__} has no place in summary.json")
