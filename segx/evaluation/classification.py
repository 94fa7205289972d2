"""One row a classified case, and the scores over all of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.evaluation.bootstrap import Estimate, Resampling, mean_of_defined
from segx.evaluation.confusion import Confusion
from segx.evaluation.provenance import Provenance
from segx.metrics.calibration import BINS, Reliability, reliability
from segx.metrics.classification import (
    SCORES,
    THRESHOLD,
    decisions,
    known_matrix,
    score_draws,
    truth_matrix,
)
from segx.metrics.ranking import Roc, roc

__all__ = [
    "CLASSIFICATION_POLICY",
    "HEADLINES",
    "ClassEstimates",
    "ClassificationSummary",
    "ClassifiedCase",
    "OperatingPoint",
    "ScoreEstimates",
    "ScoredCases",
    "Thresholds",
    "choose_thresholds",
    "summarise_classified",
]

CLASSIFICATION_POLICY = (
    "Each class against the rest, over all cases, or over those where the class is "
    "known; the headline is the plain mean over classes, undefined ones left out. "
    "balanced_accuracy is the mean sensitivity of the most probable class; where a "
    "case may have several classes, the mean of sensitivity and specificity from a "
    f"probability of {THRESHOLD:g} on. brier is in 0 … 1; ece has {BINS} equal bins. "
    "Intervals: 95 %, patients drawn anew 2000 times. The ece of n cases exceeds that "
    "of all, most where a model is well calibrated or n is small; its interval is "
    "centred on it. Thresholds of a class's own are "
    "chosen on validation cases only, and stand apart, beside what they give."
)
"""What the numbers mean; written and printed beside them."""

HEADLINES = ("auroc", "average_precision", "balanced_accuracy", "brier", "ece")
"""The fields of `ScoreEstimates`."""


@dataclass(frozen=True, slots=True)
class ClassifiedCase:
    """What was predicted for one image.

    Args:
        case: Name of the case.
        patient: Whom it is of; None if unknown.
        truth: Id of the true class; where a case may have several, 0 or 1 for each,
            `UNKNOWN` where nobody has told.
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

    @property
    def rarest(self) -> tuple[str, int]:
        """The class of fewest patients, and their number: what intervals rest on.

        Of a class that nearly all cases are of, the others may be fewest.
        """
        groups = [
            *((item.name, item.sensitivity) for item in self.classes),
            *((f"not {item.name}", item.specificity) for item in self.classes),
        ]
        found = [(name, those.n_patients) for name, those in groups if those.n]
        return min(found, key=itemgetter(1), default=(self.classes[0].name, 0))

    @property
    def only_predicted(self) -> str | None:
        """The class that all cases were taken for; None if they were told apart."""
        if self.confusion is None:
            return None
        columns = zip(*self.confusion.counts, strict=True)
        named = [
            name
            for name, column in zip(self.confusion.names, columns, strict=True)
            if any(column)
        ]
        return named[0] if len(named) == 1 else None


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
    found = ScoredCases(cases, class_names=class_names)
    names = tuple(class_names)
    return ClassificationSummary(
        scores=ScoreEstimates(*(found.headline(name) for name in HEADLINES)),
        classes=tuple(
            found.of_class(index, name, thresholds) for index, name in enumerate(names)
        ),
        n_cases=len(cases),
        n_patients=found.resampling.n_patients,
        confusion=None
        if found.may_be_several
        else Confusion.of_ids(names, found.truth, found.decided.argmax(axis=1)),
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
        `THRESHOLD` for a class that all or none of the cases are of.

    References:
        Youden 1950, doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.
    """
    _check(cases, class_names)
    truth = np.array([case.truth for case in cases])
    probabilities = np.array([case.probabilities for case in cases])
    real = truth_matrix(truth, probabilities)
    known = known_matrix(truth, probabilities)
    values = []
    for is_real, scored, is_known in zip(real.T, probabilities.T, known.T, strict=True):
        curve = roc(is_real[is_known], scored[is_known])
        if curve is None:
            values.append(THRESHOLD)
            continue
        gain = np.subtract(curve.sensitivity, curve.false_positive_rate)[1:]
        values.append(curve.threshold[1 + int(gain.argmax())])
    return Thresholds(tuple(values), chosen_on)


class ScoredCases:
    """Cases sorted by name, with their scores in each draw of patients.

    Drawing patients anew adds to the calibration error, as drawing them once has done:
    the bootstrap's estimate of this bias is taken off the draws.

    Args:
        cases: What was predicted.
        class_names: In the order of the probabilities.

    Raises:
        DataError: See `summarise_classified`.

    References:
        Bias of a bootstrap: Davison and Hinkley 1997, doi:10.1017/CBO9780511802843;
        that of the ECE: Kumar et al. 2019, arXiv:1909.10155; Roelofs et al. 2022,
        arXiv:2012.08668.
    """

    def __init__(
        self, cases: Sequence[ClassifiedCase], *, class_names: Sequence[str]
    ) -> None:
        _check(cases, class_names)
        cases = sorted(cases, key=lambda case: case.case)
        self.truth = np.array([case.truth for case in cases])
        self.probabilities = np.array([case.probabilities for case in cases])
        self.real = truth_matrix(self.truth, self.probabilities)
        self.known = known_matrix(self.truth, self.probabilities)
        self.may_be_several = self.truth.ndim == 2
        self.decided = decisions(self.truth, self.probabilities)
        self.resampling = Resampling([case.cluster for case in cases])
        # Scores of each class, (classes, scores), and of the draws, (draws, …).
        self._values, self._draws = self.resampling.statistic(self._scores)
        errors = self._draws[..., SCORES.index("ece")]
        errors += self._values[:, SCORES.index("ece")] - mean_of_defined(errors.T)
        np.maximum(errors, 0, out=errors)

    def headline(self, name: str) -> Estimate:
        """One of `HEADLINES`, with its interval."""
        value, draws = self.headline_draws(name)
        counted = self.known.sum(axis=1) > 0
        return self.resampling.estimate(value, draws, counted=counted)

    def headline_draws(self, name: str) -> tuple[float, NDArray[np.float64]]:
        """One of `HEADLINES`: of all cases, and of each draw of patients."""
        parts = [name]
        if name == "balanced_accuracy":
            both = ["sensitivity", "specificity"]
            parts = both if self.may_be_several else both[:1]
        columns = [SCORES.index(part) for part in parts]
        draws = self._draws[:, :, columns]
        return (
            float(mean_of_defined(self._values[:, columns].ravel())),
            mean_of_defined(draws.reshape(len(draws), -1)),
        )

    def of_class(
        self, index: int, name: str, thresholds: Thresholds | None
    ) -> ClassEstimates:
        """One class against the rest."""
        real, scored = self.real[:, index], self.probabilities[:, index]
        known = self.known[:, index]
        counted = {"sensitivity": real, "specificity": known & ~real}
        estimates = {
            score: self.resampling.estimate(
                float(self._values[index, column]),
                self._draws[:, index, column],
                counted=counted.get(score, known),
            )
            for column, score in enumerate(SCORES)
        }
        return ClassEstimates(
            name=name,
            n=int(np.count_nonzero(real)),
            **estimates,
            reliability=reliability(real[known], scored[known]),
            roc=roc(real[known], scored[known]),
            at_threshold=None
            if thresholds is None
            else self._at(thresholds.values[index], index),
        )

    def _scores(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return score_draws(
            self.real,
            self.probabilities,
            decided=self.decided,
            known=self.known,
            weights=weights,
        )

    def _at(self, threshold: float, index: int) -> OperatingPoint:
        real, named = self.real[:, index], self.probabilities[:, index] >= threshold
        others = self.known[:, index] & ~real
        return OperatingPoint(
            threshold,
            sensitivity=self.resampling.mean(np.where(real, named, np.nan)),
            specificity=self.resampling.mean(np.where(others, ~named, np.nan)),
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
