"""The words that tables call classes by, in the order that numbers them."""

from collections.abc import Collection
from pathlib import Path

from segx.data.defects import Code, Findings

__all__ = ["in_order"]


def in_order(
    words: Collection[str], path: Path, found: Findings, *, what: str
) -> list[str]:
    """Sort class words: numbers as numbers, other words by the alphabet.

    Args:
        words: Each word once.
        path: The table that has them.
        found: Where numbers that are written in two ways are noted.
        what: What the table calls them: labels or classes.
    """
    numbers = all(word.isascii() and word.isdigit() for word in words)
    ordered = sorted(words, key=lambda word: (int(word) if numbers else 0, word))
    if numbers and len(set(map(int, words))) < len(words):
        found.add(
            Code.CLASS_NAMES,
            path,
            f"has the {what} {', '.join(ordered)}, of which some are the same number",
            expected="each class written in one way",
            fix="Write 1 or 01 everywhere.",
        )
    return ordered
