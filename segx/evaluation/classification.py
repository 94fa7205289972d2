"""One row a classified case, and the scores over all of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.evaluation.bootstrap import Estimate, Resampling, mean_of_defined
from segx.evaluation.confusion import Confusion
from segx.evaluation.provenance import Provenance
from segx.metrics.calibration import BINS, Reliability, reliability
from segx.metrics.classification import SCORES, decisions, score_draws, truth_matrix
from segx.metrics.ranking import Roc, roc

__all__ = [
    "CLASSIFICATION_POLICY",
    "ClassEstimates",
    "ClassificationSummary",
    "ClassifiedCase",
    "OperatingPoint",
    "ScoreEstimates",
    "Thresholds",
    "choose_thresholds",
    "summarise_classified",
]

CLASSIFICATION_POLICY = (
    "Each class against the rest, over all cases; the headline is the plain mean over "
    "classes, undefined ones left out. balanced_accuracy is the mean sensitivity of "
    "the most probable class; where a case may have several classes, the mean of "
    "sensitivity and specificity at each class's threshold (0.5 where none was "
    f"chosen). brier is in 0 … 1; ece has {BINS} equal bins. Intervals: 95 %, patients "
    "drawn anew 2000 times. Thresholds are chosen on validation cases only."
)
"""What the numbers mean; written and printed beside them."""


@dataclass(frozen=True, slots=True)
class ClassifiedCase:
    """What was predicted for one image.

    Args:
        case: Name of the case.
        patient: Whom it is of; None if unknown.
        truth: Id of the true class; where a case may have several, 0 or 1 for each.
        probabilities: One a class, in [0, 1].
    """

    case: str
    patient: str | None
    truth: int | tuple[int, ...]
    probabilities: tuple[float, ...]

    @property
    def cluster(self) -> str:
        """What cases of one patient share; a case of an unknown one is its own."""
        if self.patient is None:
            return f"case {self.case}"
        return f"patient {self.patient}"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least probability that is decided to be a class, chosen on other cases.

    Args:
        values: One a class.
        chosen_on: The cases that they were chosen on, such as ``val``.
    """

    values: tuple[float, ...]
    chosen_on: str


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a class's threshold gives.

    Args:
        threshold: Least probability that is decided to be the class.
        sensitivity: Share of the class's cases at or above it.
        specificity: Share of the other cases below it.
    """

    threshold: float
    sensitivity: Estimate
    specificity: Estimate


@dataclass(frozen=True, slots=True)
class ClassEstimates:
    """One class against the rest; see `ClassScores`.

    Args:
        name: Name of the class.
        n: Number of cases that truly are of the class.
        auroc: Area under the ROC curve.
        average_precision: Area under the steps of precision over sensitivity.
        sensitivity: Share of the class's cases that were decided to be of it.
        specificity: Share of the other cases that were decided not to be of it.
        brier: Mean squared error of the probability.
        ece: Expected calibration error.
        reliability: Probability against frequency.
        roc: The ROC curve; None where cases can't tell.
        at_threshold: What the chosen threshold gives; None where none was chosen.
    """

    name: str
    n: int
    auroc: Estimate
    average_precision: Estimate
    sensitivity: Estimate
    specificity: Estimate
    brier: Estimate
    ece: Estimate
    reliability: Reliability
    roc: Roc | None
    at_threshold: OperatingPoint | None


@dataclass(frozen=True, slots=True)
class ScoreEstimates:
    """Means over the classes; see `ClassificationScores`."""

    auroc: Estimate
    average_precision: Estimate
    balanced_accuracy: Estimate
    brier: Estimate
    ece: Estimate


@dataclass(frozen=True, slots=True)
class ClassificationSummary:
    """Scores over all cases.

    Args:
        scores: Means over the classes: the headline.
        classes: Scores of each class against the rest.
        n_cases: Number of cases.
        n_patients: Number of patients; a case of an unknown one counts as its own.
        confusion: Cases by true and most probable class; None where a case may have
            several classes.
        thresholds_from: The cases that thresholds were chosen on; None if none were.
        provenance: How the numbers came about; None where that is not known.
    """

    scores: ScoreEstimates
    classes: tuple[ClassEstimates, ...]
    n_cases: int
    n_patients: int
    confusion: Confusion | None
    thresholds_from: str | None = None
    provenance: Provenance | None = None


def summarise_classified(
    cases: Sequence[ClassifiedCase],
    *,
    class_names: Sequence[str],
    thresholds: Thresholds | None = None,
    provenance: Provenance | None = None,
) -> ClassificationSummary:
    """Score all cases; their order changes nothing.

    Args:
        cases: What was predicted.
        class_names: In the order of the probabilities.
        thresholds: Chosen on other cases than these.
        provenance: See `ClassificationSummary`.

    Raises:
        DataError: If there is no case, a case has not one probability a class, or is
            there twice.
    """
    _check(cases, class_names)
    cases = sorted(cases, key=lambda case: case.case)
    truth = np.array([case.truth for case in cases])
    probabilities = np.array([case.probabilities for case in cases])
    decided = decisions(truth, probabilities)
    may_be_several = truth.ndim == 2
    if thresholds is not None and may_be_several:
        decided = probabilities >= np.array(thresholds.values)
    found = _Found(
        Resampling([case.cluster for case in cases]),
        truth_matrix(truth, probabilities),
        probabilities,
        decided,
    )
    return ClassificationSummary(
        scores=found.headline(may_be_several=may_be_several),
        classes=tuple(
            found.of_class(index, name, thresholds)
            for index, name in enumerate(class_names)
        ),
        n_cases=len(cases),
        n_patients=found.resampling.n_patients,
        confusion=None
        if may_be_several
        else Confusion.of_ids(tuple(class_names), truth, decided.argmax(axis=1)),
        thresholds_from=thresholds.chosen_on if thresholds else None,
        provenance=provenance,
    )


def choose_thresholds(
    cases: Sequence[ClassifiedCase], *, class_names: Sequence[str], chosen_on: str
) -> Thresholds:
    """The thresholds with the largest sum of sensitivity and specificity.

    Args:
        cases: Cases that no other number is made of.
        class_names: In the order of the probabilities.
        chosen_on: What to call these cases.

    Returns:
        0.5 for a class that all or none of the cases are of.

    References:
        Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.
    """
    _check(cases, class_names)
    truth = np.array([case.truth for case in cases])
    probabilities = np.array([case.probabilities for case in cases])
    real = truth_matrix(truth, probabilities)
    values = []
    for is_real, scored in zip(real.T, probabilities.T, strict=True):
        curve = roc(is_real, scored)
        if curve is None:
            values.append(0.5)
            continue
        gain = np.subtract(curve.sensitivity, curve.false_positive_rate)[1:]
        values.append(curve.threshold[1 + int(gain.argmax())])
    return Thresholds(tuple(values), chosen_on)


class _Found:
    """What was found of all cases, and in each draw of patients."""

    def __init__(
        self,
        resampling: Resampling,
        real: NDArray[np.bool_],
        probabilities: NDArray[np.float64],
        decided: NDArray[np.bool_],
    ) -> None:
        self.resampling = resampling
        self.real = real
        self.probabilities = probabilities
        # Scores of each class, (classes, scores), and of the draws, (draws, …).
        self.values, self.draws = resampling.statistic(
            lambda weights: score_draws(
                real, probabilities, decided=decided, weights=weights
            )
        )

    def headline(self, *, may_be_several: bool) -> ScoreEstimates:
        """Means over the classes."""
        area, precision, sensitivity, specificity, brier, ece = range(len(SCORES))
        recalls = [sensitivity, specificity] if may_be_several else [sensitivity]
        return ScoreEstimates(
            auroc=self._mean([area]),
            average_precision=self._mean([precision]),
            balanced_accuracy=self._mean(recalls),
            brier=self._mean([brier]),
            ece=self._mean([ece]),
        )

    def of_class(
        self, index: int, name: str, thresholds: Thresholds | None
    ) -> ClassEstimates:
        """One class against the rest."""
        real, scored = self.real[:, index], self.probabilities[:, index]
        everyone = np.ones(len(real), bool)
        counted = {"sensitivity": real, "specificity": ~real}
        estimates = {
            score: self.resampling.estimate(
                float(self.values[index, column]),
                self.draws[:, index, column],
                counted=counted.get(score, everyone),
            )
            for column, score in enumerate(SCORES)
        }
        return ClassEstimates(
            name=name,
            n=int(np.count_nonzero(real)),
            **estimates,
            reliability=reliability(real, scored),
            roc=roc(real, scored),
            at_threshold=None
            if thresholds is None
            else self._at(thresholds.values[index], real, scored),
        )

    def _mean(self, columns: list[int]) -> Estimate:
        return self.resampling.estimate(
            float(mean_of_defined(self.values[:, columns].ravel())),
            mean_of_defined(self.draws[:, :, columns].reshape(len(self.draws), -1)),
            counted=np.ones(len(self.real), bool),
        )

    def _at(
        self, threshold: float, real: NDArray[np.bool_], scored: NDArray[np.float64]
    ) -> OperatingPoint:
        named = scored >= threshold
        return OperatingPoint(
            threshold,
            sensitivity=self.resampling.mean(np.where(real, named, np.nan)),
            specificity=self.resampling.mean(np.where(real, np.nan, ~named)),
        )


def _check(cases: Sequence[ClassifiedCase], class_names: Sequence[str]) -> None:
    if not cases or any(len(case.probabilities) != len(class_names) for case in cases):
        counts = sorted({len(case.probabilities) for case in cases})
        raise DataError(
            f"{len(cases)} cases with {counts} probabilities given; allowed is at "
            f"least one case, each with {len(class_names)}: for {list(class_names)}."
        )
    twice = [name for name, n in Counter(case.case for case in cases).items() if n > 1]
    if twice:
        raise DataError(
            f"{len(twice)} cases are there twice ({twice[0]!r}, …). Give each case its "
            "own name, or remove the repeated row."
        )
