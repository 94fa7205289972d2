"""report.html: one offline page on what a model is worth, and how that was found."""

from segx.evaluation.report.boxes import write_detection_report
from segx.evaluation.report.classes import write_classification_report
from segx.evaluation.report.masks import write_report
from segx.evaluation.report.sketch import Look, Sketch, sketch

__all__ = [
    "Look",
    "Sketch",
    "sketch",
    "write_classification_report",
    "write_detection_report",
    "write_report",
]
