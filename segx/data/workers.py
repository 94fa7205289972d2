"""Processes that load examples: what each has in hand, and how they meet a stop."""

import mmap
import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import cv2
import numpy as np
from torch.utils.data import get_worker_info

from segx.data.case import Case
from segx.errors import DataError

__all__ = ["CasesInHand", "outlive_a_stop", "release_loaders"]

# What libraries raise when they fail; errors of segx name the file already.
_FAULTS = (
    ArithmeticError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    cv2.error,
)


class CasesInHand:
    """Which case each process has in hand, so that an error or a death names it.

    The notes stand in memory that forked processes share; one that is killed leaves its
    note behind.

    Args:
        cases: The cases; they are noted by their index.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases
        self._map()

    @contextmanager
    def holding(self, index: int) -> Iterator[None]:
        """Note that this process makes an example of a case, until the block ends.

        Raises:
            DataError: With the path, if a library fails in the block.
        """
        worker = get_worker_info()
        slot = (worker.id + 1 if worker else 0) % len(self._notes)
        self._notes[slot] = index + 1
        try:
            yield
        except _FAULTS as error:
            raise DataError(
                f"No example can be made of {self._cases[index].image} "
                f"({type(error).__name__}: {error}). Look at it with segx check."
            ) from error
        finally:
            self._notes[slot] = 0

    def paths(self) -> list[str]:
        """The images that processes have in hand now, or had when they were killed."""
        held = sorted({int(note) - 1 for note in self._notes if note})
        return [str(self._cases[index].image) for index in held]

    def __getstate__(self) -> dict[str, Any]:
        return {"_cases": self._cases}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()

    def _map(self) -> None:
        self._notes = np.frombuffer(mmap.mmap(-1, mmap.PAGESIZE), np.int64)


def outlive_a_stop(_worker: int) -> None:
    """Let a loading process go on when its group is told to stop: a batch is finished.

    The second SIGTERM ends it: see `release_loaders`.
    """

    def obey_the_next(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, obey_the_next)


def release_loaders() -> None:
    """Let the loading processes end with this one: Python sends each one SIGTERM."""
    for process in multiprocessing.active_children():
        process.terminate()
