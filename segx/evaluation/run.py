"""Measure a trained model on whole cases, predicted exactly as `segx predict` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segx.artifact import Model
from segx.config import FitConfig
from segx.data.case import Case, SplitName, has_mask, is_labelled
from segx.data.datamodule import SegxDataModule
from segx.data.reader import CaseReader
from segx.errors import DataError
from segx.evaluation.classification import (
    ClassificationSummary,
    ClassifiedCase,
    choose_thresholds,
    summarise_classified,
)
from segx.evaluation.classified_file import write_classified
from segx.evaluation.masks import MaskEvaluation, common_unit, spacing_of
from segx.evaluation.provenance import Provenance, folder_of_folds, versions
from segx.evaluation.report import Look, write_classification_report
from segx.evaluation.summary import Summary
from segx.evaluation.summary_file import write_classification_summary
from segx.inference.loading import predictor_of
from segx.inference.predictor import Band, Predictor
from segx.scans.files import open_scan
from segx.spec import ModelSpec

__all__ = ["OnMask", "Part", "classes_beside", "measure", "places_of"]

Part = Literal["masks", "classes"]
"""What of a model is measured: of one that tells both, one after the other."""

OnCase = Callable[[int, int], None]

OnMask = Callable[[Case, NDArray[np.uint8], NDArray[np.uint8]], None]


def measure(
    model: Model | Predictor,
    data: SegxDataModule,
    out: Path,
    *,
    config: FitConfig | None = None,
    split: SplitName = "test",
    part: Part | None = None,
    is_own: bool = True,
    tolerance: float | None = None,
    on_case: OnCase | None = None,
    on_mask: OnMask | None = None,
) -> Summary | ClassificationSummary:
    """Predict every case of a split and write cases.csv, summary.json, report.html.

    A case that lacks the mask or the label is left out of that part.

    Args:
        model: A trained model, or a predictor of one or several.
        data: The data set, split as it was for the training.
        out: Folder for the files.
        config: The run's config, to be written down beside the numbers.
        split: The cases to measure on.
        part: What to measure; None for the masks, if the model makes any.
        is_own: Whether the splits are those of the training. Of others no threshold is
            chosen: their val may hold what the model has learnt from.
        tolerance: Distance up to which surfaces agree, in mm, or in pixels where
            their size is unknown; None leaves the surface Dice out.
        on_case: Called with the number of cases done, and of all.
        on_mask: Called with each case, its true mask and the one predicted.

    Raises:
        DataError: If the split is empty, or the data set has other classes than the
            model was trained on.
    """
    part = part or next(iter(places_of(model.spec, out)))
    is_told = has_mask if part == "masks" else is_labelled
    cases = dict(data.splits.items())[split]
    told = [case for case in cases if is_told(case)]
    if not told:
        without = f" with {part}" if cases else ""
        raise DataError(
            f"{data.layout.root} has no {split} cases{without}. Measure on others "
            "(--split val), or keep some back before training: --data.test_split 0.2"
        )
    predictor = model if isinstance(model, Predictor) else predictor_of(model)
    _check_classes(predictor, data)
    run = _Run(predictor, data, config, split, is_own, on_case or _silent)
    if part == "masks":
        return _segmentation(run, told, out, tolerance=tolerance, on_mask=on_mask)
    return _classification(run, told, out)


def places_of(spec: ModelSpec, out: Path) -> dict[Part, Path]:
    """What there is to measure of a model, and the folder for each part."""
    if spec.labels is None:
        return {"classes": out}
    if spec.class_names is None:
        return {"masks": out}
    return {"masks": out, "classes": classes_beside(out)}


def classes_beside(masks: Path) -> Path:
    """The folder for the classes of a model that makes masks, too.

    Examples:
        >>> classes_beside(Path("test")).as_posix()
        'test/classes'
    """
    return masks / "classes"


@dataclass(frozen=True)
class _Run:
    """A model at work on a split."""

    predictor: Predictor
    data: SegxDataModule
    config: FitConfig | None
    split: SplitName
    is_own: bool
    on_case: OnCase

    @property
    def provenance(self) -> Provenance:
        """How the numbers come about, once the engine has settled."""
        members = self.predictor.members
        splits = self.data.splits
        sizes = tuple((name, len(cases)) for name, cases in splits.items())
        notes: tuple[str, ...] = ()
        title = None
        if (views := len(members.views)) > 1:
            notes = (f"mean of {views} test-time views",)
        if (given := self.predictor.working.pixel_mm) is not None:
            notes = (*notes, "pixels of {:g} x {:g} mm, as given".format(*given))
        if (folds := len(members.members)) > 1:  # each of them has splits of its own
            sizes = ()
            apart = f"{len(splits.test)} test cases in none of them"
            notes = (f"{folds} folds, {apart}", *notes)
            title = folder_of_folds(item.source for item in members.members)
        return Provenance(
            truth=str(self.data.layout.root),
            prediction=", ".join(str(item.source) for item in members.members),
            model_sha256=", ".join(item.digest for item in members.members) or None,
            engine=members.about,
            split=self.split,
            splits=sizes,
            config=self.config.model_dump(mode="json") if self.config else None,
            notes=notes,
            versions=versions(),
            title=title,
        )

    @property
    def look(self) -> Look:
        """How the report shows images: on the scale that the model reads them with."""
        spec = self.predictor.spec
        return Look(spec.axis, spec.intensity.of_middle(spec.neighbours))


def _segmentation(
    run: _Run,
    cases: Sequence[Case],
    out: Path,
    *,
    tolerance: float | None,
    on_mask: OnMask | None,
) -> Summary:
    labels, axis = run.data.labels, run.predictor.spec.axis
    if labels is None:
        raise DataError(f"{run.data.layout.root} has no masks to measure against.")
    reader = CaseReader(
        channels=run.data.survey.channels,
        dtype=np.dtype(run.data.survey.dtype),
        mask_values=run.data.survey.mask_values,
        axis=axis,
    )
    spacings = [_spacing(case, run.predictor) for case in cases]
    evaluation = MaskEvaluation(labels, unit=common_unit(spacings), tolerance=tolerance)
    for done, (case, spacing_mm) in enumerate(
        zip(cases, spacings, strict=True), start=1
    ):
        truth = reader.mask(case)
        if truth is None:
            raise DataError(f"{case.image} has no mask to measure against.")
        predicted = run.predictor.predict(
            case.images, on_band=partial(_add_band, evaluation, truth)
        )
        if on_mask is not None:
            on_mask(case, truth, predicted)
        evaluation.add(
            case.id,
            truth,
            predicted,
            patient=case.patient,
            spacing_mm=spacing_mm,
            image=case.image,
        )
        run.on_case(done, len(cases))
    return evaluation.write(out, provenance=run.provenance, look=run.look)


def _add_band(evaluation: MaskEvaluation, truth: NDArray[np.uint8], band: Band) -> None:
    """Put the probabilities of a band beside the truth of its rows."""
    of_plane = 3 if evaluation.labels.kind == "multilabel" else 2
    plane = truth if truth.ndim == of_plane else truth[band.plane]
    rows, cols = band.region.slices
    evaluation.add_probabilities(plane[rows, cols], band.probabilities)


def _spacing(case: Case, predictor: Predictor) -> tuple[float, ...] | None:
    """Distances in mm as the image tells them, or else the user."""
    given = predictor.working.pixel_mm
    with open_scan(case.image, axis=predictor.spec.axis) as scan:
        if given is None:
            return spacing_of(scan)
        if scan.spacing_mm not in (None, given):
            own, other = (
                "{:g} x {:g}".format(*size) for size in (scan.spacing_mm, given)
            )
            raise DataError(
                f"{case.image} says that its pixels are {own} mm, but {other} mm was "
                "given. Leave --pixel-size out, or correct the file."
            )
    with predictor.open(*case.images) as scan:
        return spacing_of(scan)


def _classification(
    run: _Run, cases: Sequence[Case], out: Path
) -> ClassificationSummary:
    if run.data.class_labels is None:
        raise DataError(f"{run.data.layout.root} has no labels to measure against.")
    names = run.data.class_labels.names
    others = [case for case in run.data.splits.val if is_labelled(case)]
    is_ensemble = len(run.predictor.members.members) > 1
    if run.split == "val" or is_ensemble or not run.is_own:
        # Thresholds are never chosen on the cases that they are judged on, nor on
        # those that the model, or another member of an ensemble, has learnt from.
        others = []
    total = len(cases) + len(others)
    found = [
        _classified(run, case, done=number, total=total)
        for number, case in enumerate((*cases, *others), start=1)
    ]
    tested, chosen_on = found[: len(cases)], found[len(cases) :]
    summary = summarise_classified(
        tested,
        class_names=names,
        thresholds=choose_thresholds(chosen_on, class_names=names, chosen_on="val")
        if chosen_on
        else None,
        provenance=run.provenance,
    )
    write_classified(out / "cases.csv", tested, class_names=names)
    write_classification_summary(out / "summary.json", summary)
    write_classification_report(
        out / "report.html",
        summary,
        tested,
        images={case.id: case.image for case in cases},
        look=run.look,
    )
    return summary


def _classified(run: _Run, case: Case, *, done: int, total: int) -> ClassifiedCase:
    truth = case.label if case.tags is None else case.tags
    if truth is None:
        raise DataError(f"{case.image} has no label to measure against.")
    probabilities = run.predictor.classify(case.images).astype(float).tolist()
    run.on_case(done, total)
    return ClassifiedCase(case.id, case.patient, truth, tuple(probabilities))


def _check_classes(predictor: Predictor, data: SegxDataModule) -> None:
    trained = predictor.spec.labels, predictor.spec.class_labels
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


def _silent(done: int, total: int) -> None:
    """Say nothing."""
