"""Which class is taken for which: pixels of all cases by truth and prediction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Confusion"]


@dataclass(frozen=True, slots=True)
class Confusion:
    """Pooled counts by true and predicted class.

    Args:
        names: Name of each class; of masks the first is the background.
        counts: A row a true class, a column a predicted one.

    Examples:
        >>> table = np.array([[90, 2], [1, 7]])
        >>> Confusion.of(("background", "cell"), table).shares[1]
        (0.125, 0.875)
    """

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, names: tuple[str, ...], table: NDArray[np.int64]) -> "Confusion":
        """Counts from an array (classes, classes)."""
        return cls(names, tuple(tuple(row) for row in table.tolist()))

    @classmethod
    def of_ids(
        cls,
        names: tuple[str, ...],
        truth: NDArray[np.integer],
        predicted: NDArray[np.integer],
    ) -> "Confusion":
        """Count pairs of ids, 0 … K-1, of one shape."""
        pairs = truth.ravel().astype(np.int64) * len(names) + predicted.ravel()
        table = np.bincount(pairs, minlength=len(names) ** 2)
        return cls.of(names, table.reshape(len(names), len(names)))

    @property
    def shares(self) -> tuple[tuple[float, ...], ...]:
        """Each row as shares of the true class; nan where the class never is true."""
        return tuple(
            tuple(count / sum(row) if sum(row) else float("nan") for count in row)
            for row in self.counts
        )
