"""Fit a model's temperature and predicted Dice on validation cases."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from segx.artifact import Model
from segx.data.case import Case, has_mask, is_labelled
from segx.data.datamodule import SegxDataModule
from segx.data.reader import CaseReader
from segx.errors import DataError
from segx.evaluation.corruptions import CORRUPTIONS, CorruptedScan, Corruption
from segx.evaluation.temperature import (
    Examples,
    examples_of,
    fit_temperature,
    sample_pixels,
    truth_of,
)
from segx.inference.confidence import Confidence, sum_rows, sums_in_row
from segx.inference.loading import predictor_of
from segx.inference.predictor import Predictor
from segx.labels import UNKNOWN
from segx.masks.calibration import Calibration
from segx.masks.decide import decide
from segx.metrics.overlap import count_overlap, defined_mean, sum_counts
from segx.scans.scan import Scan
from segx.spec import ModelSpec

__all__ = [
    "MOST_CASES",
    "Calibrated",
    "Judged",
    "calibrate",
    "calibrate_on",
    "case_reader",
    "fit_dice",
    "judge",
]

logger = logging.getLogger(__name__)

MOST_CASES = 40
"""Number of validation cases that are looked at, at most."""

_FEW = 30  # cases below which the fit is as much chance as truth

_FLAGGED = 0.1  # share of clean validation cases that lie at the limit or below

OnCase = Callable[[int, int], None]
"""Called with the number of predictions done, and of all."""


class Judged(NamedTuple):
    """What a model believes of one case, and what is true.

    Args:
        confidence: What it believes.
        dice: Mean Dice of the classes that are in the truth or in the mask; nan if
            none is.
    """

    confidence: Confidence
    dice: float


@dataclass(frozen=True)
class Calibrated:
    """A calibration, and what it did on the cases that it was fitted on.

    Args:
        calibration: To be stored with the model.
        cases: Number of validation cases.
        ece_before: Expected calibration error without it.
        ece_after: The same with it.
        fitted: The temperature that was fitted; it is kept only where the error falls.
    """

    calibration: Calibration
    cases: int
    ece_before: float
    ece_after: float
    fitted: float


def calibrate(
    model: Model, data: SegxDataModule, *, on_case: OnCase | None = None
) -> Calibrated:
    """Fit a temperature and, for masks, what predicts their Dice.

    The temperature is fitted on pixels of the clean cases; the Dice, by isotonic
    regression, on the clean ones and on damaged copies: clean cases alone are all good,
    and would not tell what bad ones look like.

    Args:
        model: A trained model; an older calibration is forgotten.
        data: The data set, split as it was for the training.
        on_case: Called after each prediction.

    Raises:
        DataError: If there are no validation cases.
    """
    is_told = is_labelled if model.spec.labels is None else has_mask
    cases = _some([case for case in data.val_cases if is_told(case)])
    if not cases:
        raise DataError(f"{data.layout.root} has no validation cases to calibrate on.")
    if len(cases) < _FEW:
        logger.warning(
            "Only %d validation cases: what is fitted on fewer than %d may be chance.",
            len(cases),
            _FEW,
        )
    predictor = predictor_of(model).calibrated(None)
    if model.spec.labels is None:
        return _classifier(predictor, cases)
    reader = case_reader(data, model.spec)
    count = _Count(len(cases) * (2 + len(CORRUPTIONS)), on_case)
    examples = sample_pixels(predictor, count.each(cases), reader, total=len(cases))
    found = calibrate_on(examples, cases=len(cases))
    tempered = predictor.calibrated(found.calibration)
    clean, damaged = (
        [
            judge(tempered, case, reader, kind)
            for kind in kinds
            for case in count.each(cases)
        ]
        for kinds in ((None,), CORRUPTIONS)
    )
    return replace(found, calibration=fit_dice(clean, damaged, like=found.calibration))


def calibrate_on(examples: Examples, *, cases: int) -> Calibrated:
    """Fit a temperature; where the calibration error does not fall with it, keep 1.

    Args:
        examples: Pixels, or images, of the cases.
        cases: Number of the cases.
    """
    fitted = fit_temperature(examples)
    before, after = examples.error(1), examples.error(fitted)
    if after < before:
        return Calibrated(Calibration(fitted), cases, before, after, fitted)
    return Calibrated(Calibration(1.0), cases, before, before, fitted)


def case_reader(data: SegxDataModule, spec: ModelSpec) -> CaseReader:
    """What reads the masks of a data set at their own size."""
    return CaseReader(
        channels=data.survey.channels,
        dtype=np.dtype(data.survey.dtype),
        mask_values=data.survey.mask_values,
        axis=spec.axis,
    )


def fit_dice(
    clean: Sequence[Judged], damaged: Sequence[Judged], *, like: Calibration
) -> Calibration:
    """Fit the Dice that goes with each soft Dice: the best that never falls.

    Clean cases together weigh as much as damaged ones. The limit of the flag is the
    predicted Dice that nine of ten clean cases reach.

    Args:
        clean: Cases as they are.
        damaged: Copies that were damaged.
        like: The calibration to complete.

    References:
        Barlow and Brunk 1972, doi:10.1080/01621459.1972.10481216 (isotonic regression).
    """
    from sklearn.isotonic import IsotonicRegression

    points = [
        (item.confidence.soft_dice, item.dice, 1 / len(group))
        for group in (clean, damaged)
        for item in group
        if item.confidence.soft_dice is not None and not np.isnan(item.dice)
    ]
    found = [item.confidence.soft_dice for item in clean]
    known = [soft_dice for soft_dice in found if soft_dice is not None]
    if not points or not known:
        return like
    soft, dice, weight = np.asarray(points, np.float64).T
    curve = IsotonicRegression(y_min=0, y_max=1).fit(soft, dice, sample_weight=weight)
    predicted = np.interp(known, curve.X_thresholds_, curve.y_thresholds_)
    return replace(
        like,
        soft_dice=tuple(curve.X_thresholds_.tolist()),
        dice=tuple(curve.y_thresholds_.tolist()),
        flag_below=float(np.quantile(predicted, _FLAGGED)),
    )


def judge(
    predictor: Predictor,
    case: Case,
    reader: CaseReader,
    corruption: Corruption | None = None,
    *,
    seed: int = 0,
) -> Judged:
    """Predict a case, damaged or not, and hold what is believed against the truth."""
    labels = predictor.labels
    truth = truth_of(case, reader, labels)
    sums, parts = np.zeros(sums_in_row(labels)), []
    with _opened(predictor, case, corruption, seed) as scan:
        for band in predictor.predict_probabilities(scan):
            mask = decide(band.probabilities, labels)
            sums += sum_rows(band.probabilities, mask, labels).sum(axis=0)
            ids = truth[band.plane][band.region.slices[0]]
            parts.append(count_overlap(ids, mask, labels))
    calibration = predictor.spec.calibration
    confidence = Confidence.of(sums, has_dissent=False, calibration=calibration)
    counts = sum_counts(parts).values()
    return Judged(confidence, defined_mean(count.dice for count in counts))


class _Count:
    """Tells how many predictions are done."""

    def __init__(self, total: int, on_case: OnCase | None) -> None:
        self._done, self._total, self._on_case = 0, total, on_case

    def each(self, cases: Iterable[Case]) -> Iterator[Case]:
        """The cases, each counted when the next is asked for."""
        for case in cases:
            yield case
            self._done += 1
            if self._on_case is not None:
                self._on_case(self._done, self._total)


def _classifier(predictor: Predictor, cases: Sequence[Case]) -> Calibrated:
    chances = np.stack([predictor.classify(case.images) for case in cases])
    truth = [case.label if case.tags is None else case.tags for case in cases]
    labels = replace(predictor.members.class_labels, ignore_index=UNKNOWN)
    examples = examples_of(chances, np.asarray(truth, np.int64), labels)
    return calibrate_on(examples, cases=len(cases))


def _opened(
    predictor: Predictor, case: Case, corruption: Corruption | None, seed: int
) -> Scan:
    scan, channels = predictor.open(*case.images), predictor.spec.plane_channels
    return CorruptedScan(scan, corruption, seed=seed, channels=channels)


def _some(cases: Sequence[Case]) -> tuple[Case, ...]:
    """At most `MOST_CASES`, spread over all."""
    step = -(-len(cases) // MOST_CASES) or 1
    return tuple(cases[::step])
