"""Which of the processes that train together this is, before there is a trainer."""

import logging
import os

__all__ = ["is_first", "only_first_speaks"]

# Lightning's own launcher, torchrun and SLURM tell each process its number in these;
# those of the first one are all 0, or not set.
_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def only_first_speaks() -> None:
    """Keep what segx logs to one process; errors come from each."""
    if not is_first():
        logging.getLogger("segx").setLevel(logging.ERROR)
