"""Measure a trained model on whole cases, predicted exactly as `segx predict` does."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.artifact import Model
from segx.data.case import Case, SplitName
from segx.data.datamodule import SegxDataModule
from segx.data.reader import CaseReader
from segx.errors import DataError
from segx.evaluation.cases import case_rows, write_cases
from segx.evaluation.classification import (
    ClassificationSummary,
    ClassifiedCase,
    summarise_classified,
    write_classification_summary,
    write_classified,
)
from segx.evaluation.summary import Summary, summarise, write_summary
from segx.inference.loading import predictor_of
from segx.inference.predictor import Predictor
from segx.labels import Labels
from segx.metrics.overlap import Counts, count_overlap, sum_counts

__all__ = ["OnMask", "measure"]

OnMask = Callable[[Case, NDArray[np.uint8], NDArray[np.uint8]], None]


def measure(
    model: Model | Predictor,
    data: SegxDataModule,
    out: Path,
    *,
    split: SplitName = "test",
    on_case: Callable[[int, int], None] | None = None,
    on_mask: OnMask | None = None,
) -> Summary | ClassificationSummary:
    """Predict every case of a split and write cases.csv and summary.json.

    Args:
        model: A trained model, or a predictor of one or several.
        data: The data set, split as it was for the training.
        out: Folder for the two files.
        split: The cases to measure on.
        on_case: Called with the number of cases done, and of all.
        on_mask: Called with each case, its true mask and the one predicted.

    Raises:
        DataError: If the split is empty, or the data set has other classes than the
            model was trained on.
    """
    cases = dict(data.splits.items())[split]
    if not cases:
        raise DataError(
            f"{data.layout.root} has no {split} cases. Measure on others (--split "
            "val), or keep some back before training: --data.test_split 0.2"
        )
    _check_classes(model, data)
    predictor = model if isinstance(model, Predictor) else predictor_of(model)
    on_case = on_case or _silent
    if predictor.spec.labels is None:
        return _classification(predictor, data, cases, out, on_case)
    return _segmentation(predictor, data, cases, out, on_case, on_mask=on_mask)


def _segmentation(
    predictor: Predictor,
    data: SegxDataModule,
    cases: Sequence[Case],
    out: Path,
    on_case: Callable[[int, int], None],
    *,
    on_mask: OnMask | None,
) -> Summary:
    reader = CaseReader(
        channels=data.survey.channels,
        dtype=np.dtype(data.survey.dtype),
        mask_values=data.survey.mask_values,
        axis=predictor.spec.axis,
    )
    rows = []
    for done, case in enumerate(cases, start=1):
        truth = reader.mask(case)
        if truth is None or data.labels is None:
            raise DataError(f"{case.image} has no mask to measure against.")
        predicted = predictor.predict(case.images)
        if on_mask is not None:
            on_mask(case, truth, predicted)
        counts = _count(truth, predicted, data.labels)
        rows += case_rows(case.id, counts, patient=case.patient)
        on_case(done, len(cases))
    summary = summarise(rows)
    write_cases(out / "cases.csv", rows)
    write_summary(out / "summary.json", summary)
    return summary


def _count(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], labels: Labels
) -> dict[str, Counts]:
    """Counts of an image, or of all planes of a volume together."""
    of_plane = 3 if labels.kind == "multilabel" else 2
    if truth.shape != predicted.shape or truth.ndim == of_plane:
        return count_overlap(truth, predicted, labels)
    pairs = zip(truth, predicted, strict=True)
    return sum_counts(count_overlap(*pair, labels) for pair in pairs)


def _classification(
    predictor: Predictor,
    data: SegxDataModule,
    cases: Sequence[Case],
    out: Path,
    on_case: Callable[[int, int], None],
) -> ClassificationSummary:
    classified = []
    for done, case in enumerate(cases, start=1):
        if case.label is None:
            raise DataError(f"{case.image} has no label to measure against.")
        probabilities = tuple(predictor.classify(case.images).astype(float).tolist())
        classified.append(
            ClassifiedCase(case.id, case.patient, case.label, probabilities)
        )
        on_case(done, len(cases))
    names = data.class_names
    summary = summarise_classified(classified, class_names=names)
    write_classified(out / "cases.csv", classified, class_names=names)
    write_classification_summary(out / "summary.json", summary)
    return summary


def _check_classes(model: Model | Predictor, data: SegxDataModule) -> None:
    trained = model.spec.labels or model.spec.class_names
    found = data.labels or data.class_names
    if trained != found:
        raise DataError(
            f"The model was trained on {trained}, but {data.layout.root} holds "
            f"{found}. Measure it on a data set with the same classes."
        )


def _silent(done: int, total: int) -> None:
    """Say nothing."""
