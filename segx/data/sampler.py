"""Which case comes when: a function of the seed and the epoch, nothing else."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

__all__ = ["ALONE", "Draw", "EpochSampler", "Share"]


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


class Share(NamedTuple):
    """Which part of the work a process does.

    Args:
        rank: Number of the process, from 0.
        world: Number of processes.
    """

    rank: int
    world: int


ALONE = Share(rank=0, world=1)
"""All of the work."""


class EpochSampler(Sampler[Draw]):
    """Visits all cases in a new order, again and again until an epoch is long enough.

    Lightning calls `set_epoch` before each epoch, but loaders with worker processes ask
    for their first examples earlier: `start_at` tells where a run goes on.

    Several processes that train together make one large batch a step: each draws its
    own part of it, so that two processes with batches of 4 see what one with batches of
    8 sees.

    Args:
        cases: Number of cases.
        batch_size: Number of examples in a batch of one process.
        least_steps: Least number of batches in an epoch.
        seed: Another seed gives other orders.
        planes: Number of planes of all cases together; an epoch is at least about as
            many draws. By default each case has one.
        share: The part that this process draws.

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
        share: Share = ALONE,
    ) -> None:
        self._cases = cases
        self._seed = seed
        self._batch_size = batch_size
        self._share = share
        together = batch_size * share.world
        self.steps = max((planes or cases) // together, least_steps)
        self.epoch = 0
        self._start = (0, 0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration is for."""
        self.epoch = epoch

    def start_at(self, epoch: int, step: int) -> None:
        """Leave out the first `step` batches of an epoch, which were learnt from."""
        self.epoch = epoch
        self._start = (epoch, step)

    def __len__(self) -> int:
        return self.steps * self._batch_size

    def __iter__(self) -> Iterator[Draw]:
        epoch, (rank, world) = self.epoch, self._share
        rng = np.random.default_rng([self._seed, epoch])
        rounds = -(-len(self) * world // self._cases)
        order = np.concatenate([rng.permutation(self._cases) for _ in range(rounds)])
        first = self._start[1] if epoch == self._start[0] else 0
        for step in range(first, self.steps):
            begin = (step * world + rank) * self._batch_size
            for place in range(begin, begin + self._batch_size):
                yield Draw(epoch, place, int(order[place]))
