"""Which case comes when: a function of the seed and the epoch, nothing else."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

__all__ = ["Draw", "EpochSampler"]


class Draw(NamedTuple):
    """One example to make: everything random about it follows from these and the seed.

    Args:
        epoch: Number of the epoch.
        place: Place in the epoch.
        case: Index of the case.
    """

    epoch: int
    place: int
    case: int


class EpochSampler(Sampler[Draw]):
    """Visits all cases in a new order, again and again until an epoch is long enough.

    Lightning calls `set_epoch` before each epoch.

    Args:
        cases: Number of cases.
        batch_size: Number of examples in a batch.
        least_steps: Least number of batches in an epoch.
        seed: Another seed gives other orders.
        planes: Number of planes of all cases together; an epoch is at least about as
            many draws. By default each case has one.

    Examples:
        >>> sampler = EpochSampler(3, batch_size=2, least_steps=2, seed=0)
        >>> [draw.case for draw in sampler]
        [2, 0, 1, 2]
    """

    def __init__(
        self,
        cases: int,
        *,
        batch_size: int,
        least_steps: int,
        seed: int,
        planes: int | None = None,
    ) -> None:
        self._cases = cases
        self._seed = seed
        self._length = max((planes or cases) // batch_size, least_steps) * batch_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is for."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Draw]:
        epoch = self.epoch
        rng = np.random.default_rng([self._seed, epoch])
        for index in range(self._length):
            if index % self._cases == 0:
                order = rng.permutation(self._cases)
            yield Draw(epoch, index, int(order[index % self._cases]))
