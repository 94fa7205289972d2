"""Intervals by resampling patients: what another set of patients might have given."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segx.metrics.overlap import defined_mean

__all__ = [
    "DRAWS",
    "FEW_PATIENTS",
    "LEVEL",
    "Estimate",
    "Resampling",
    "mean_of_defined",
]

DRAWS = 2000
"""Number of times that the patients are drawn anew."""

LEVEL = 0.95
"""Share of the draws that an interval covers."""

FEW_PATIENTS = 50
"""Under so many patients an interval is too narrow to be taken at its word."""

_SEED = 0
_AGREEMENT = 1e-9  # sums of the same values in another order differ by less
_CHUNK_VALUES = 2**22  # weights that are held at once: 32 MB


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with the interval in which other patients might have put it.

    Args:
        value: Of all patients; nan where it is undefined.
        low: Lower end of the 95 % interval; nan where there is none.
        high: Its upper end.
        n: Number of cases that the value is made of.
        n_patients: Number of patients that they are of.
    """

    value: float
    low: float
    high: float
    n: int
    n_patients: int

    @property
    def draws_agree(self) -> bool:
        """Whether all draws gave one value, which tells nothing of other patients."""
        return self.high - self.low < _AGREEMENT

    @property
    def is_of_few(self) -> bool:
        """Whether the patients are too few for the interval to be trusted."""
        return self.n_patients < FEW_PATIENTS


class Resampling:
    """Draws of patients with replacement, the same ones each time.

    All cases of a patient come together, as often as the patient was drawn; so an
    interval is not narrower for many scans of few patients.

    Args:
        patients: Whom each case is of, (n,).

    References:
        Percentile cluster bootstrap: Davison and Hinkley 1997,
        doi:10.1017/CBO9780511802843; Field and Welsh 2007,
        doi:10.1111/j.1467-9868.2007.00593.x.

    Examples:
        >>> resampling = Resampling(["a", "a", "b", "c"])
        >>> resampling.mean(np.array([0.5, 0.5, 0.5, np.nan]))
        Estimate(value=0.5, low=0.5, high=0.5, n=3, n_patients=2)
    """

    def __init__(self, patients: Sequence[str]) -> None:
        names, self._patient = np.unique(np.asarray(patients), return_inverse=True)
        self.n_patients = len(names)

    def mean(self, values: NDArray[np.float64]) -> Estimate:
        """Mean over cases, nan left out.

        Args:
            values: One a case, (n,).
        """
        return self.mean_of_means(values[:, np.newaxis])

    def mean_of_means(self, values: NDArray[np.float64]) -> Estimate:
        """Mean over classes of the mean over cases; nan left out of both.

        Args:
            values: One a case and class, (n, classes).
        """
        defined = ~np.isnan(values)
        of_case = defined.sum(axis=1)
        sums = self._sum_by_patient(np.where(defined, values, 0))
        counts = self._sum_by_patient(defined.astype(np.float64))
        draws = _divide(self._totals(sums), self._totals(counts))
        return self.estimate(
            defined_mean(defined_mean(column) for column in values.T.tolist()),
            mean_of_defined(draws),
            counted=of_case > 0,
        )

    def statistic(
        self, function: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Any values that can be computed of weighted cases.

        Args:
            function: From weights (draws, n) to values (draws, …).

        Returns:
            The values where each case counts once (…), and those of the draws
            (draws, …).
        """
        once = np.ones((1, len(self._patient)))
        draws = [function(weights) for weights in self._weights()]
        return function(once)[0], np.concatenate(draws)

    def estimate(
        self,
        value: float,
        draws: NDArray[np.float64],
        *,
        counted: NDArray[np.bool_],
    ) -> Estimate:
        """A value with the interval of its draws.

        Args:
            value: Where each case counts once.
            draws: Where patients were drawn, (draws,); undefined ones are left out.
            counted: Which cases the value is made of, (n,).
        """
        n_patients = len(np.unique(self._patient[counted]))
        low = high = math.nan
        defined = draws[~np.isnan(draws)]
        if n_patients > 1 and not math.isnan(value):
            tail = (1 - LEVEL) / 2
            low, high = np.quantile(defined, [tail, 1 - tail]).tolist()
        return Estimate(value, low, high, int(counted.sum()), n_patients)

    @cached_property
    def _counts(self) -> NDArray[np.uint16]:
        """How often each patient was drawn, (draws, patients)."""
        rng = np.random.default_rng(_SEED)
        size = self.n_patients
        counts = np.empty((DRAWS, size), np.uint16)
        for some in _chunks(size):
            rows = counts[some]
            drawn = rng.integers(size, size=rows.shape)
            drawn += np.arange(len(rows))[:, np.newaxis] * size
            rows[:] = np.bincount(drawn.ravel(), minlength=rows.size).reshape(-1, size)
        return counts

    def _weights(self) -> Iterator[NDArray[np.float64]]:
        """How often each case was drawn, a few draws at a time, (some, n)."""
        for some in _chunks(len(self._patient)):
            yield self._counts[some][:, self._patient].astype(np.float64)

    def _totals(self, of_patient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over the patients drawn, (draws, k), of values (patients, k)."""
        parts = _chunks(self.n_patients)
        return np.concatenate(
            [self._counts[some].astype(np.float64) @ of_patient for some in parts]
        )

    def _sum_by_patient(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.zeros((self.n_patients, values.shape[1]))
        np.add.at(sums, self._patient, values)
        return sums


def _chunks(size: int) -> Iterator[slice]:
    """All draws, so few at a time that `size` values of each fit in memory."""
    step = max(1, _CHUNK_VALUES // size)
    for first in range(0, DRAWS, step):
        yield slice(first, first + step)


def _divide(
    numerator: NDArray[np.float64], denominator: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The quotient, nan where the denominator is 0."""
    quotient = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def mean_of_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis, nan left out; nan where nothing is defined."""
    defined = ~np.isnan(values)
    return _divide(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1))
