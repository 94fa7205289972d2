"""What is wrong with a data set: collected first, then told all at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segx.errors import DataError

__all__ = ["LISTED", "Defect", "DefectsError", "plural"]

LISTED = 100
"""Most defects that an error message spells out; the error object holds them all."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong, where it is and what to do about it."""

    path: Path
    problem: str

    def __str__(self) -> str:
        # Errors of readers name their file themselves.
        known = str(self.path) in self.problem
        return self.problem if known else f"{self.path}: {self.problem}"


class DefectsError(DataError):
    """A data set that can't be used as it is, with every reason.

    Args:
        heading: What was looked at.
        defects: Everything that is wrong with it.

    Examples:
        >>> raise DefectsError("cells", [Defect(Path("a.png"), "has no mask.")])
        Traceback (most recent call last):
        segx.data.defects.DefectsError: cells: 1 defect.
          a.png: has no mask.
    """

    def __init__(self, heading: str, defects: Iterable[Defect] = ()) -> None:
        self.defects: Sequence[Defect] = tuple(defects)
        if not self.defects:
            super().__init__(heading)
            return
        count = len(self.defects)
        lines = [f"  {defect}" for defect in self.defects[:LISTED]]
        if count > LISTED:
            lines.append(f"  … and {count - LISTED} more.")
        super().__init__("\n".join([f"{heading}: {plural(count, 'defect')}.", *lines]))


def plural(count: int, noun: str, several: str | None = None) -> str:
    """A number and its noun.

    Examples:
        >>> plural(1, "case"), plural(3, "case"), plural(0, "entry", "entries")
        ('1 case', '3 cases', '0 entries')
    """
    return f"{count} {noun if count == 1 else several or f'{noun}s'}"
