"""Measure a trained model on whole cases, predicted exactly as `segx predict` does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segx.artifact import Model
from segx.data.case import Case, SplitName, is_labelled
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
from segx.evaluation.findings import (
    FindingsCase,
    summarise_findings,
    write_findings,
)
from segx.evaluation.summary import Summary, summarise, write_summary
from segx.inference.loading import predictor_of
from segx.labels import Labels
from segx.metrics.overlap import Counts, count_overlap, sum_counts
from segx.spec import ModelSpec

__all__ = ["Part", "measure", "parts_of"]

Part = Literal["masks", "classes"]
"""What of a model is measured: of one that tells both, one after the other."""


def measure(
    model: Model,
    data: SegxDataModule,
    out: Path,
    *,
    split: SplitName = "test",
    part: Part | None = None,
    on_case: Callable[[int, int], None] | None = None,
) -> Summary | ClassificationSummary:
    """Predict every case of a split and write cases.csv and summary.json.

    A case that lacks the mask or the label is left out of that part.

    Args:
        model: A trained model.
        data: The data set, split as it was for the training.
        out: Folder for the two files.
        split: The cases to measure on.
        part: What to measure; None for the first of `parts_of` the model.
        on_case: Called with the number of cases done, and of all.

    Raises:
        DataError: If the split is empty, or the data set has other classes than the
            model was trained on.
    """
    part = part or parts_of(model.spec)[0]
    is_told = _has_mask if part == "masks" else is_labelled
    cases = dict(data.splits.items())[split]
    told = [case for case in cases if is_told(case)]
    if not told:
        without = f" with {part}" if cases else ""
        raise DataError(
            f"{data.layout.root} has no {split} cases{without}. Measure on others "
            "(--split val), or keep some back before training: --data.test_split 0.2"
        )
    _check_classes(model, data)
    measure_cases = _segmentation if part == "masks" else _classification
    return measure_cases(model, data, told, out, on_case or _silent)


def parts_of(spec: ModelSpec) -> tuple[Part, ...]:
    """What there is to measure of a model."""
    masks: tuple[Part, ...] = ("masks",) if spec.labels else ()
    return (*masks, "classes") if spec.class_names else masks


def _segmentation(
    model: Model,
    data: SegxDataModule,
    cases: Sequence[Case],
    out: Path,
    on_case: Callable[[int, int], None],
) -> Summary:
    predictor = predictor_of(model)
    reader = CaseReader(
        channels=data.survey.channels,
        dtype=np.dtype(data.survey.dtype),
        mask_values=data.survey.mask_values,
        axis=model.spec.axis,
    )
    rows = []
    for done, case in enumerate(cases, start=1):
        truth = reader.mask(case)
        if truth is None or data.labels is None:
            raise DataError(f"{case.image} has no mask to measure against.")
        predicted = predictor.predict(case.image)
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
    model: Model,
    data: SegxDataModule,
    cases: Sequence[Case],
    out: Path,
    on_case: Callable[[int, int], None],
) -> ClassificationSummary:
    predictor = predictor_of(model)
    if data.class_labels is None:
        raise DataError(f"{data.layout.root} has no labels to measure against.")
    names = data.class_labels.names
    classified: list[ClassifiedCase] = []
    findings: list[FindingsCase] = []
    for done, case in enumerate(cases, start=1):
        found = tuple(predictor.classify(case.image).astype(float).tolist())
        if case.findings is not None:
            findings.append(FindingsCase(case.id, case.patient, case.findings, found))
        elif case.label is not None:
            classified.append(ClassifiedCase(case.id, case.patient, case.label, found))
        on_case(done, len(cases))
    if findings:
        summary = summarise_findings(findings, class_names=names)
        write_findings(out / "cases.csv", findings, class_names=names)
        write_classification_summary(out / "summary.json", summary)
        return summary
    summary = summarise_classified(classified, class_names=names)
    write_classified(out / "cases.csv", classified, class_names=names)
    write_classification_summary(out / "summary.json", summary)
    return summary


def _check_classes(model: Model, data: SegxDataModule) -> None:
    trained = model.spec.labels, model.spec.class_labels
    found = data.labels, data.class_labels
    if trained != found:
        was, holds = (
            " and ".join(str(item) for item in both if item is not None)
            for both in (trained, found)
        )
        raise DataError(
            f"The model was trained on {was}, but {data.layout.root} holds "
            f"{holds}. Measure it on a data set with the same classes."
        )


def _has_mask(case: Case) -> bool:
    return bool(case.masks)


def _silent(done: int, total: int) -> None:
    """Say nothing."""
