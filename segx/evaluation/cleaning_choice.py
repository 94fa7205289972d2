"""Whether cleaning masks helps, judged on predictions of cases never trained on."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from segx.config import CleaningConfig
from segx.data.case import Case
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

_DRAWS = 10_000
_ALPHA = 0.05
_SIZES = (16, 64, 256)
_RULE = (
    f"A cleaning is adopted for the classes whose mean out-of-fold Dice it raises by "
    f"{LEAST_GAIN} or more, with a lower bound above 0: a paired bootstrap over "
    f"patients of {_DRAWS} draws, whose error of {_ALPHA:.0%} all trials and classes "
    f"share; with {LEAST_PATIENTS} patients or more. Of several, the one that raises "
    "the mean over classes most."
)


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

_NONE = "none"


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


def choose_cleaning(
    trials: Mapping[str, Sequence[CaseRow]], *, seed: int = 0
) -> Choice:
    """Choose the cleaning that surely helps, or none.

    The trials compete on the same cases, so the best of them looks better than it is:
    the error that is allowed is shared by all (Bonferroni).

    Args:
        trials: What `read_trials` gave.
        seed: Of the bootstrap.
    """
    classes = tuple(dict.fromkeys(row.class_name for row in trials[_NONE]))
    alpha = _ALPHA / (len(TRIALS) * len(classes))
    patients = [
        row.patient or f"case {row.case}"
        for row in trials[_NONE]
        if row.class_name == classes[0]
    ]
    bootstrap = _PairedBootstrap(patients, seed=seed)
    gains = []
    for trial in TRIALS:
        for name in classes:
            before, after = (_dice(trials[key], name) for key in (_NONE, trial))
            lower = bootstrap.lower(before, after, alpha=alpha)
            gains.append(Gain.of(trial, name, before, after, lower=lower))
    enough = bootstrap.patients >= LEAST_PATIENTS
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
        confidence=1 - alpha,
        patients=bootstrap.patients,
    )


class _PairedBootstrap:
    """Draws patients with replacement, the same ones for both of a pair.

    Args:
        patients: The patient of each case.
        seed: Of the draws.
    """

    def __init__(self, patients: Sequence[str], *, seed: int) -> None:
        _, self._index = np.unique(patients, return_inverse=True)
        self.patients = int(self._index.max()) + 1
        shares = np.full(self.patients, 1 / self.patients)
        rng = np.random.default_rng(seed)
        self._weights = rng.multinomial(self.patients, shares, size=_DRAWS)

    def lower(
        self,
        before: NDArray[np.float64],
        after: NDArray[np.float64],
        *,
        alpha: float,
    ) -> float:
        """The quantile `alpha` of the difference of the means over cases."""
        gains = self._means(after) - self._means(before)
        # Where a draw leaves no case with a Dice, nothing is gained.
        return float(np.quantile(np.nan_to_num(gains, nan=-1.0), alpha))

    def _means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        defined = ~np.isnan(values)
        sums = np.bincount(self._index, np.where(defined, values, 0.0))
        counts = self._weights @ np.bincount(self._index, defined)
        means = np.full(len(counts), np.nan)
        np.divide(self._weights @ sums, counts, out=means, where=counts > 0)
        return means


def _dice(rows: Iterable[CaseRow], class_name: str) -> NDArray[np.float64]:
    """Dice of each case, nan where it is undefined."""
    return np.array([row.counts.dice for row in rows if row.class_name == class_name])


def _as_config(trial: str | None, classes: tuple[str, ...] | None) -> CleaningConfig:
    if trial is None:
        return CleaningConfig()
    chosen = TRIALS[trial]
    return CleaningConfig(
        fill_holes=chosen.fill_holes,
        largest=chosen.largest,
        min_size_px=chosen.min_size_px,
        classes=classes,
    )
