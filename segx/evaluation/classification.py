"""One row a classified case, and the scores over all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segx.errors import DataError
from segx.evaluation.records import (
    Json,
    number_or_null,
    read_table,
    write_json,
    write_table,
)
from segx.metrics.classification import (
    BINS,
    ClassificationScores,
    ClassScores,
    class_scores,
    classification_scores,
)

__all__ = [
    "CLASSIFICATION_POLICY",
    "ClassificationSummary",
    "ClassifiedCase",
    "read_classified",
    "summarise_classified",
    "write_classification_summary",
    "write_classified",
]

CLASSIFICATION_POLICY = (
    "Each class against the rest, over all cases; the headline is the plain mean over "
    "classes, undefined ones left out. balanced_accuracy is the mean sensitivity of "
    f"the most probable class; brier is in 0 … 1; ece has {BINS} equal bins."
)
"""What the numbers mean; written and printed beside them."""

_COLUMNS = ("case", "patient", "truth", "predicted")
_PREFIX = "p_"


@dataclass(frozen=True, slots=True)
class ClassifiedCase:
    """What was predicted for one image.

    Args:
        case: Name of the case.
        patient: Whom it is of; None if unknown.
        truth: Id of the true class.
        probabilities: One a class, in [0, 1].
    """

    case: str
    patient: str | None
    truth: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ClassificationSummary:
    """Scores over all cases.

    Args:
        scores: Means over the classes: the headline.
        classes: Scores of each class against the rest, by name.
        n_cases: Number of cases.
        n_patients: Number of patients; a case of an unknown one counts as its own.
        policy: What the numbers mean.
    """

    scores: ClassificationScores
    classes: dict[str, ClassScores]
    n_cases: int
    n_patients: int
    policy: str = CLASSIFICATION_POLICY


def write_classified(
    path: Path, cases: Iterable[ClassifiedCase], *, class_names: Sequence[str]
) -> None:
    """Write cases.csv of a classification: names, truth, decision, probabilities."""
    lines = (
        (
            case.case,
            case.patient,
            class_names[case.truth],
            class_names[int(np.argmax(case.probabilities))],
            *case.probabilities,
        )
        for case in cases
    )
    write_table(path, (*_COLUMNS, *(_PREFIX + name for name in class_names)), lines)


def read_classified(path: Path) -> tuple[tuple[str, ...], list[ClassifiedCase]]:
    """Read cases.csv of a classification: the class names and the cases.

    Raises:
        DataError: If the file can't be read, or a cell holds what can't be there.
    """
    lines = read_table(path, _COLUMNS)
    columns = [
        column for column in (lines[0] if lines else ()) if column.startswith(_PREFIX)
    ]
    names = tuple(column.removeprefix(_PREFIX) for column in columns)
    cases = []
    for number, line in enumerate(lines, start=2):
        try:
            truth = names.index(line["truth"])
            probabilities = tuple(float(line[column]) for column in columns)
        except ValueError as error:
            raise DataError(
                f"{path}, row {number}: {error}. The truth must be one of "
                f"{list(names)}, the probabilities numbers."
            ) from error
        cases.append(
            ClassifiedCase(line["case"], line["patient"] or None, truth, probabilities)
        )
    return names, cases


def summarise_classified(
    cases: Sequence[ClassifiedCase], *, class_names: Sequence[str]
) -> ClassificationSummary:
    """Score all cases.

    Raises:
        DataError: If there is no case, or a case has not one probability a class.
    """
    if not cases or any(len(case.probabilities) != len(class_names) for case in cases):
        counts = sorted({len(case.probabilities) for case in cases})
        raise DataError(
            f"{len(cases)} cases with {counts} probabilities given; allowed is at "
            f"least one case, each with {len(class_names)}: for {list(class_names)}."
        )
    truth = np.array([case.truth for case in cases])
    probabilities = np.array([case.probabilities for case in cases])
    each = class_scores(truth, probabilities)
    clusters = {(case.patient is None, case.patient or case.case) for case in cases}
    return ClassificationSummary(
        scores=classification_scores(truth, probabilities),
        classes=dict(zip(class_names, each, strict=True)),
        n_cases=len(cases),
        n_patients=len(clusters),
    )


def write_classification_summary(path: Path, summary: ClassificationSummary) -> None:
    """Write summary.json of a classification; an undefined score is null there."""
    scores = summary.scores._asdict().items()
    content: dict[str, Json] = {
        "task": "classification",
        "policy": summary.policy,
        "n_cases": summary.n_cases,
        "n_patients": summary.n_patients,
        "scores": {name: number_or_null(value) for name, value in scores},
        "classes": {
            name: {key: number_or_null(value) for key, value in item._asdict().items()}
            for name, item in summary.classes.items()
        },
    }
    write_json(path, content)
