"""Work that one process does at a time, however many try."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from segx.errors import SegxError

__all__ = ["alone"]


@contextmanager
def alone(lock: Path, *, refusal: SegxError) -> Iterator[None]:
    """Keep other processes out, until the block or this process ends.

    Threads of this process are not kept out.

    Args:
        lock: The file that is held; it is gone at the end.
        refusal: What is raised if another process holds it.

    Raises:
        SegxError: The refusal.
        OSError: If the file can't be made.
    """
    with ExitStack() as held:
        while True:
            file = held.enter_context(lock.open("w", encoding="utf-8"))
            if not _take(file):
                raise refusal
            if _is_at(file, lock):
                break
            held.close()  # the process before removed it after it was opened here
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _take(file: TextIO) -> bool:
    """Hold a file; loaders that outlive a killed process do not, unlike flock's."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Any other number: this file system has no locks, and nobody is kept out.
        return error.errno not in {errno.EACCES, errno.EAGAIN}
    return True


def _is_at(file: TextIO, path: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
