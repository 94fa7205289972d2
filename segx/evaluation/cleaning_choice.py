"""Whether cleaning masks helps, judged on predictions of cases never trained on."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from segx.config import CleaningConfig
from segx.data.case import Case
from segx.evaluation.bootstrap import DRAWS, Resampling
from segx.evaluation.cases import CaseRow, case_rows, read_cases, write_cases
from segx.evaluation.records import Json, number_or_null, write_json
from segx.labels import Labels
from segx.masks.cleaning import Cleaning, clean
from segx.metrics.overlap import count_overlap, defined_mean, sum_counts

__all__ = [
    "TRIALS",
    "Choice",
    "Gain",
    "Trials",
    "choose_cleaning",
    "has_trials",
    "read_trials",
]

LEAST_GAIN = 0.001
"""Dice that a class must gain at least: less does not show in three digits."""

LEAST_PATIENTS = 10
"""Of fewer patients a bootstrap says too little: nothing is adopted."""

_ALPHA = 0.05
_SIZES = (16, 64, 256)
_RULE = (
    f"A cleaning is adopted for the classes whose mean out-of-fold Dice it raises by "
    f"{LEAST_GAIN} or more, with a lower bound above 0: a paired bootstrap over "
    f"patients of {DRAWS} draws, whose error of {_ALPHA:.0%} all trials and classes "
    f"share; with {LEAST_PATIENTS} patients or more. Of several, the one that raises "
    "the mean over classes most."
)
_NONE = "none"
_ONE = {
    "largest": Cleaning(largest=True),
    **{f"min{size}": Cleaning(min_size_px=size) for size in _SIZES},
}
TRIALS: Mapping[str, Cleaning] = {
    "holes": Cleaning(fill_holes=True),
    **_ONE,
    **{f"holes+{name}": replace(step, fill_holes=True) for name, step in _ONE.items()},
}
"""Every cleaning that is tried, by name; sizes are in pixels, of volumes in voxels."""


class Trials:
    """Counts of cleaned masks, collected case by case.

    Args:
        labels: What the masks' values mean.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self._rows: dict[str, list[CaseRow]] = {name: [] for name in (_NONE, *TRIALS)}

    def add(
        self, case: Case, truth: NDArray[np.uint8], predicted: NDArray[np.uint8]
    ) -> None:
        """Clean one prediction in every way, and count.

        Args:
            case: The case.
            truth: Ids, shape ([planes, ]rows, cols[, classes]).
            predicted: The same shape, not cleaned; it is left as it is.
        """
        has_classes = self.labels.kind == "multilabel"
        shape = (-1, *truth.shape[-3 if has_classes else -2 :])
        truth, predicted = truth.reshape(shape), predicted.reshape(shape)
        for name, collected in self._rows.items():
            mask = predicted
            if name != _NONE and predicted.any():
                mask = np.empty_like(predicted)
                clean(predicted, TRIALS[name], labels=self.labels, out=mask)
            pairs = zip(truth, mask, strict=True)
            counts = sum_counts(count_overlap(*pair, self.labels) for pair in pairs)
            collected.extend(case_rows(case.id, counts, patient=case.patient))

    def write(self, folder: Path) -> None:
        """Write a table for each cleaning; that of ``none`` comes last."""
        for name in reversed(self._rows):
            write_cases(folder / f"{name}.csv", self._rows[name])


def has_trials(folder: Path) -> bool:
    """Whether `Trials.write` has written all of its tables there."""
    return (folder / f"{_NONE}.csv").is_file()


def read_trials(folders: Iterable[Path]) -> dict[str, list[CaseRow]]:
    """Read what `Trials.write` wrote, of all folds together."""
    places = tuple(folders)
    return {
        name: [row for place in places for row in read_cases(place / f"{name}.csv")]
        for name in (_NONE, *TRIALS)
    }


@dataclass(frozen=True)
class Gain:
    """What a cleaning changes in the mean Dice of a class.

    Args:
        trial: Name of the cleaning.
        class_name: Name of the class.
        before: Mean Dice of the masks as predicted, nan if it is undefined.
        after: Mean Dice of the cleaned masks.
        lower: Lower bound of the difference.
    """

    trial: str
    class_name: str
    before: float
    after: float
    lower: float

    @classmethod
    def of(
        cls,
        trial: str,
        class_name: str,
        before: NDArray[np.float64],
        after: NDArray[np.float64],
        *,
        lower: float,
    ) -> Self:
        """From the Dice of each case."""
        means = [defined_mean(values.tolist()) for values in (before, after)]
        return cls(trial, class_name, means[0], means[1], lower)

    @property
    def gain(self) -> float:
        """The difference of the means."""
        return self.after - self.before

    @property
    def is_sure(self) -> bool:
        """Whether it is large enough to be seen, and to be no chance."""
        return self.gain >= LEAST_GAIN and self.lower > 0

    def as_json(self) -> dict[str, Json]:
        """For people to read: four digits."""
        numbers = {"before": self.before, "after": self.after, "lower": self.lower}
        shown = {name: number_or_null(round(x, 4)) for name, x in numbers.items()}
        return {"trial": self.trial, "class": self.class_name, **shown}


@dataclass(frozen=True)
class Choice:
    """The cleaning that was adopted, and what that rests on.

    Args:
        trial: Name of the cleaning in `TRIALS`; None if none is good enough.
        cleaning: What `inference.cleaning` becomes.
        gains: What each trial changes in each class.
        confidence: One-sided confidence of each lower bound.
        patients: Number of patients.
    """

    trial: str | None
    cleaning: CleaningConfig
    gains: tuple[Gain, ...]
    confidence: float
    patients: int

    def write(self, path: Path) -> None:
        """Write cleaning.json, for people to read."""
        cleaning = self.cleaning.model_dump(mode="json") if self.trial else None
        content: dict[str, Json] = {
            "rule": _RULE,
            "adopted": self.trial,
            "cleaning": cleaning,
            "n_patients": self.patients,
            "confidence": round(self.confidence, 5),
            "trials": [gain.as_json() for gain in self.gains],
        }
        write_json(path, content)


def choose_cleaning(trials: Mapping[str, Sequence[CaseRow]]) -> Choice:
    """Choose the cleaning that surely helps, or none.

    The trials compete on the same cases, so the best of them looks better than it is:
    the error that is allowed is shared by all (Bonferroni).

    Args:
        trials: What `read_trials` gave.
    """
    classes = tuple(dict.fromkeys(row.class_name for row in trials[_NONE]))
    alpha = _ALPHA / (len(TRIALS) * len(classes))
    resampling = Resampling(
        [row.cluster for row in trials[_NONE] if row.class_name == classes[0]]
    )
    gains = []
    for trial in TRIALS:
        for name in classes:
            before, after = (_dice(trials[key], name) for key in (_NONE, trial))
            lower = _lower(before, after, resampling=resampling, alpha=alpha)
            gains.append(Gain.of(trial, name, before, after, lower=lower))
    enough = resampling.n_patients >= LEAST_PATIENTS
    good = [gain for gain in gains if enough and gain.is_sure]
    totals: dict[str, float] = defaultdict(float)
    for gain in good:
        totals[gain.trial] += gain.gain
    best = max(totals, key=totals.__getitem__, default=None)
    helped = tuple(gain.class_name for gain in good if gain.trial == best)
    return Choice(
        trial=best,
        cleaning=_as_config(best, None if helped == classes else helped),
        gains=tuple(gains),
        confidence=1 - max(alpha, 1 / DRAWS),  # of draws there is no rarer one
        patients=resampling.n_patients,
    )


def _lower(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    *,
    resampling: Resampling,
    alpha: float,
) -> float:
    """The quantile `alpha` of the difference of the means over cases.

    The same patients are drawn for both.
    """
    _, gains = resampling.statistic(
        lambda weights: _means(after, weights) - _means(before, weights)
    )
    # Where a draw leaves no case with a Dice, nothing is gained.
    return float(np.quantile(np.nan_to_num(gains, nan=-1.0), alpha))


def _means(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted means over cases, nan left out, (draws,)."""
    defined = ~np.isnan(values)
    sums, counts = weights @ np.where(defined, values, 0.0), weights @ defined
    means = np.full(len(counts), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def _dice(rows: Iterable[CaseRow], class_name: str) -> NDArray[np.float64]:
    """Dice of each case, nan where it is undefined."""
    return np.array([row.counts.dice for row in rows if row.class_name == class_name])


def _as_config(trial: str | None, classes: tuple[str, ...] | None) -> CleaningConfig:
    if trial is None:
        return CleaningConfig()
    return CleaningConfig(**asdict(replace(TRIALS[trial], classes=classes)))
