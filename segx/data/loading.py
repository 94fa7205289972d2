"""Batches of examples, and the processes that make them."""

import sys
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from segx.data.dataset import Sample, collate
from segx.data.workers import outlive_a_stop
from segx.environment import usable_cores

__all__ = ["batches_of", "count_workers"]


def batches_of(
    dataset: Dataset[Sample],
    *,
    size: int,
    workers: int,
    sampler: Sampler[Any] | None = None,
) -> DataLoader[Sample]:
    """Load a set of examples in batches.

    Args:
        dataset: The examples.
        size: Examples of a batch.
        workers: Processes that make them; 0: this one does.
        sampler: The order of the examples; None: that of the set.
    """
    return DataLoader(
        dataset,
        batch_size=size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        worker_init_fn=outlive_a_stop,
        # Forked processes share the store's memory.
        multiprocessing_context="fork" if workers and _can_fork() else None,
    )


def count_workers(asked: int | Literal["auto"]) -> int:
    """Number of processes that make training examples."""
    if asked != "auto":
        return asked
    available = usable_cores()
    if torch.cuda.is_available():
        return min(8, available)
    # The processor trains: one process overlaps with it, more would take its time.
    return min(1, available - 1)


def _can_fork() -> bool:
    """Whether worker processes can be forked safely."""
    return sys.platform == "linux"
