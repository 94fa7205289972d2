"""What a mask or a class is worth against the truth, in numbers one can recompute."""

from segx.metrics.calibration import Reliability, calibration_error, reliability
from segx.metrics.case_counts import CaseCounts, CaseMeans
from segx.metrics.classification import (
    ClassificationScores,
    ClassScores,
    class_scores,
    classification_scores,
)
from segx.metrics.overlap import Counts, count_overlap, defined_mean
from segx.metrics.ranking import Roc, auroc, average_precision, roc

__all__ = [
    "CaseCounts",
    "CaseMeans",
    "ClassScores",
    "ClassificationScores",
    "Counts",
    "Reliability",
    "Roc",
    "auroc",
    "average_precision",
    "calibration_error",
    "class_scores",
    "classification_scores",
    "count_overlap",
    "defined_mean",
    "reliability",
    "roc",
]
