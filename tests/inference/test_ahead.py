"""What is made ahead comes in order, and errors come where their item would."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.inference.ahead import ahead


@given(st.lists(st.integers()), st.integers(1, 5))
def test_nothing_is_lost_or_turned_around(items: list[int], depth: int) -> None:
    assert list(ahead(items, depth=depth)) == items


def test_it_is_made_in_another_thread_before_it_is_asked_for() -> None:
    made: list[tuple[int, int]] = []
    second_made = threading.Event()

    def items() -> Iterator[int]:
        for number in range(3):
            made.append((number, threading.get_ident()))
            if number == 1:
                second_made.set()
            yield number

    found = ahead(items(), depth=2)
    assert next(found) == 0
    assert second_made.wait(timeout=10)
    assert list(found) == [1, 2]
    assert {thread for _, thread in made} != {threading.get_ident()}


def test_an_error_comes_where_its_item_would() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    found = ahead(items(), depth=3)
    assert next(found) == 1
    with pytest.raises(OSError, match="gone"):
        next(found)


def test_a_consumer_that_stops_leaves_no_thread() -> None:
    before = threading.active_count()
    found = ahead(iter(range(1_000_000)), depth=2)
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
