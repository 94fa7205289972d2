"""cases.csv of a classification: names, truth and probabilities of each case."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from segx.errors import DataError
from segx.evaluation.classification import ClassifiedCase
from segx.evaluation.records import read_table, write_table
from segx.labels import UNKNOWN

__all__ = ["kind_of", "read_classified", "write_classified"]

_COLUMNS = ("case", "patient")
_IDS = ("truth", "predicted")
_TRUTH = "t_"
_PROBABILITY = "p_"


def write_classified(
    path: Path, cases: Iterable[ClassifiedCase], *, class_names: Sequence[str]
) -> None:
    """Write one line a case.

    `truth` and `predicted` name the true and the most probable class; where a case may
    have several, the columns t_CLASS hold 0 or 1 instead, or nothing where that is
    unknown. p_CLASS is the probability.
    """
    listed = list(cases)
    several = any(isinstance(case.truth, tuple) for case in listed)
    truth = [_TRUTH + name for name in class_names] if several else _IDS
    columns = (*_COLUMNS, *truth, *(_PROBABILITY + name for name in class_names))
    lines = (
        (
            case.case,
            case.patient,
            *(
                (None if tag == UNKNOWN else tag for tag in case.truth)
                if isinstance(case.truth, tuple)
                else (
                    class_names[case.truth],
                    class_names[int(np.argmax(case.probabilities))],
                )
            ),
            *case.probabilities,
        )
        for case in listed
    )
    write_table(path, columns, lines)


def read_classified(path: Path) -> tuple[tuple[str, ...], list[ClassifiedCase]]:
    """Read cases.csv of a classification: the class names and the cases.

    Raises:
        DataError: If the file can't be read, or a cell holds what can't be there.
    """
    lines = read_table(path, _COLUMNS)
    names = tuple(
        column.removeprefix(_PROBABILITY)
        for column in (lines[0] if lines else ())
        if column.startswith(_PROBABILITY)
    )
    cases = []
    for number, line in enumerate(lines, start=2):
        try:
            cases.append(_case(line, names))
        except (KeyError, ValueError) as error:
            raise DataError(
                f"{path}, row {number}: {error}. The truth must be one of "
                f"{list(names)}, or 0, 1 or nothing in t_CLASS; probabilities are "
                "numbers."
            ) from error
    return names, cases


def kind_of(path: Path) -> Literal["masks", "classes", "boxes"]:
    """What a cases.csv is of.

    Raises:
        DataError: If the file can't be read.
    """
    lines = read_table(path, _COLUMNS)
    columns = set(lines[0]) if lines else set()
    if any(column.startswith(_PROBABILITY) for column in columns):
        return "classes"
    return "boxes" if {"objects", "found"} <= columns else "masks"


def _case(line: Mapping[str, str], names: tuple[str, ...]) -> ClassifiedCase:
    truth: int | tuple[int, ...]
    if "truth" in line:
        truth = names.index(line["truth"])
    else:
        truth = tuple(int(line[_TRUTH + name] or UNKNOWN) for name in names)
    probabilities = tuple(float(line[_PROBABILITY + name]) for name in names)
    return ClassifiedCase(line["case"], line["patient"] or None, truth, probabilities)
