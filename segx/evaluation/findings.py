"""One row a case whose image may be of several classes, and the scores over all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segx.errors import DataError
from segx.evaluation.classification import ClassificationSummary
from segx.evaluation.records import write_table
from segx.labels import UNKNOWN
from segx.metrics.classification import BINS
from segx.metrics.findings import THRESHOLD, finding_scores, multilabel_scores

__all__ = ["FINDINGS_POLICY", "FindingsCase", "summarise_findings", "write_findings"]

FINDINGS_POLICY = (
    "Each class by itself, over the cases where it is known; the headline is the plain "
    "mean over classes, undefined ones left out. balanced_accuracy is the mean of "
    f"sensitivity and specificity at a probability of {THRESHOLD:g}; brier is in "
    f"0 … 1; ece has {BINS} equal bins."
)
"""What the numbers mean; written and printed beside them."""


@dataclass(frozen=True, slots=True)
class FindingsCase:
    """What was predicted for one image that may be of several classes.

    Args:
        case: Name of the case.
        patient: Whom it is of; None if unknown.
        truth: 1, 0 or `UNKNOWN` for each class.
        probabilities: One a class, in [0, 1].
    """

    case: str
    patient: str | None
    truth: tuple[int, ...]
    probabilities: tuple[float, ...]


def write_findings(
    path: Path, cases: Iterable[FindingsCase], *, class_names: Sequence[str]
) -> None:
    """Write cases.csv: names, truth (empty where unknown) and probabilities."""
    truths = [f"t_{name}" for name in class_names]
    found = [f"p_{name}" for name in class_names]
    lines = (
        (
            case.case,
            case.patient,
            *(None if value == UNKNOWN else value for value in case.truth),
            *case.probabilities,
        )
        for case in cases
    )
    write_table(path, ("case", "patient", *truths, *found), lines)


def summarise_findings(
    cases: Sequence[FindingsCase], *, class_names: Sequence[str]
) -> ClassificationSummary:
    """Score all cases.

    Raises:
        DataError: If there is no case, or a case has not one value a class.
    """
    if not cases:
        raise DataError("There is no case to score. Give at least one.")
    truth = np.array([case.truth for case in cases])
    probabilities = np.array([case.probabilities for case in cases])
    clusters = {(case.patient is None, case.patient or case.case) for case in cases}
    each = finding_scores(truth, probabilities)
    return ClassificationSummary(
        scores=multilabel_scores(truth, probabilities),
        classes=dict(zip(class_names, each, strict=True)),
        n_cases=len(cases),
        n_patients=len(clusters),
        policy=FINDINGS_POLICY,
    )
