"""Work that runs ahead of its consumer, in a thread of its own."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import TypeVar

__all__ = ["ahead"]

_Item = TypeVar("_Item")


class _End(Enum):
    """What follows the last item."""

    END = 0


def ahead(items: Iterable[_Item], *, depth: int) -> Iterator[_Item]:
    """Make items in a thread while earlier ones are used.

    An error of the producer is raised where its item would have come.

    Args:
        items: Made in the thread.
        depth: Number of items that are made before they are asked for, 1 or more.

    Examples:
        >>> list(ahead(range(3), depth=2))
        [0, 1, 2]
    """
    producer = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="segx-reader") as thread:
        waiting = deque(
            thread.submit(next, producer, _End.END) for _ in range(max(1, depth))
        )
        while (item := waiting.popleft().result()) is not _End.END:
            waiting.append(thread.submit(next, producer, _End.END))
            yield item
