"""The processes that train together: which one this is, and what all of them know."""

import logging
import os
from typing import TypeVar

from torch import distributed

__all__ = ["gathered", "is_first", "only_first_speaks"]

# Lightning's own launcher, torchrun and SLURM tell each process its number in these;
# those of the first one are all 0, or not set.
_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


_Item = TypeVar("_Item")


def is_first() -> bool:
    """Whether this process writes and speaks; known before there is a trainer."""
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def only_first_speaks() -> None:
    """Keep what segx logs to one process; errors come from each."""
    if not is_first():
        logging.getLogger("segx").setLevel(logging.ERROR)


def gathered(own: dict[int, _Item]) -> dict[int, _Item]:
    """What all processes have, by its number; of what several have, one's.

    Every process must call it, also one that has nothing.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return own
    parts: list[dict[int, _Item]] = [{} for _ in range(distributed.get_world_size())]
    distributed.all_gather_object(parts, own)
    return {number: item for part in parts for number, item in part.items()}
