"""What the values of two sets of masks mean, which any tool may have written."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.data.mask_values import MOST_STORED, MOST_UNNAMED, MaskValues
from segx.errors import ConfigError, DataError
from segx.labels import Labels, MaskKind

__all__ = ["ClassIds", "explain_ids", "parse_classes", "values_of"]

ClassIds = dict[int, str]
"""Stored id → name of the class; 0 is the background."""

_WHITE = 255
_MOST_CLASSES = 255  # ids are uint8, and one is of the pixels that don't count


def parse_classes(words: Sequence[str]) -> ClassIds:
    """Read ``background liver tumour`` or ``1=liver 5=tumour``.

    Args:
        words: Names in the order of their ids, from 0; or ID=NAME each, where the
            background is 0 unless it is named.

    Raises:
        ConfigError: If both are mixed, an id or a name is there twice, an id is too
            large, or there are too many.

    Examples:
        >>> parse_classes(["background", "liver"]), parse_classes(["7=tumour"])
        ({0: 'background', 1: 'liver'}, {0: 'background', 7: 'tumour'})
    """
    found = [re.fullmatch(r"(\d+)=(.+)", word) for word in words]
    numbered = {int(match[1]): match[2] for match in found if match}
    if not numbered:
        numbered = dict(enumerate(words))
    elif not all(found) or len(numbered) < len(words):
        raise ConfigError(
            f"--classes {' '.join(words)}: give all names in the order of their ids, "
            "or ID=NAME for each, every id once."
        )
    else:
        numbered = {0: numbered.pop(0, "background"), **dict(sorted(numbered.items()))}
    if len(set(numbered.values())) < len(numbered) or len(numbered) < 2:
        raise ConfigError(
            f"--classes {' '.join(words)}: name two classes or more, the background "
            "first, and each differently."
        )
    if len(numbered) > _MOST_CLASSES or max(numbered) > MOST_STORED:
        raise ConfigError(
            f"--classes: {len(numbered)} names given, ids up to {max(numbered)}; "
            f"allowed are {_MOST_CLASSES} names and ids 0 … {MOST_STORED}. Were "
            "objects numbered instead of classes?"
        )
    return numbered


def explain_ids(
    truth: Iterable[int],
    predicted: Iterable[int],
    *,
    classes: ClassIds | None = None,
    ignore_index: int | None = None,
) -> tuple[MaskValues, MaskValues]:
    """Decide what the values of truth and prediction stand for.

    Values are ids. Where masks of one side hold nothing but 0 and 255, 255 is 1. With
    two classes named, 0 and any other value are these two.

    Args:
        truth: All values of the truth.
        predicted: All values of the prediction.
        classes: What ids mean; None guesses 0 … K-1 with K - 1 the largest value.
        ignore_index: Value of the truth's pixels that don't count.

    Returns:
        The meaning of the truth's values and of the prediction's; their labels are
        the same.

    Raises:
        ConfigError: If `ignore_index` can't be a value of a mask.
        DataError: If a value has no meaning; with the values found.

    Examples:
        >>> truth, predicted = explain_ids({0, 255}, {0, 1})
        >>> truth.labels.names, truth.ids, predicted.ids
        (('background', 'class_1'), {0: 0, 255: 1}, {0: 0, 1: 1})
    """
    if ignore_index is not None and not 0 <= ignore_index <= MOST_STORED:
        raise ConfigError(
            f"--ignore {ignore_index}: allowed is a value that masks can hold, 0 … "
            f"{MOST_STORED}."
        )
    sides = [sorted(set(truth) - {ignore_index}), sorted(set(predicted))]
    names = classes or _guessed(sides)
    kind: MaskKind = "binary" if len(names) == 2 else "multiclass"
    # The value itself may be the index of a class, or too large for an index.
    ignored = None if ignore_index is None else _WHITE
    labels = Labels(kind, tuple(names.values()), ignored)
    there, here = (
        _ids(values, names, side)
        for side, values in zip(("truth", "prediction"), sides, strict=True)
    )
    if ignore_index is not None and ignored is not None:
        there = {**there, ignore_index: ignored}
    return MaskValues(labels, there), MaskValues(labels, here)


def values_of(stored: NDArray[np.integer], *, source: Path) -> set[int]:
    """The values that a mask holds.

    Raises:
        DataError: If one is negative or too large to be an id.
    """
    low, high = int(stored.min()), int(stored.max())
    if low < 0 or high > MOST_STORED:
        raise DataError(
            f"{source} holds values {low} … {high}; ids are 0 … {MOST_STORED}. Is it "
            "an image, or were objects numbered instead of classes?"
        )
    return set(np.flatnonzero(np.bincount(stored.ravel())).tolist())


def _guessed(sides: Sequence[Sequence[int]]) -> ClassIds:
    largest = max(
        (1 if value == _WHITE and set(values) <= {0, _WHITE} else value)
        for values in sides
        for value in values or [0]
    )
    if not 1 <= largest < MOST_UNNAMED:
        raise DataError(
            f"The truth holds the values {_few(sides[0])} and the prediction "
            f"{_few(sides[1])}: which classes these are can't be guessed. Name them: "
            "--classes background liver, or --classes 1=liver 5=tumour."
        )
    numbers = range(1, largest + 1)
    return {0: "background", **{number: f"class_{number}" for number in numbers}}


def _ids(values: Sequence[int], classes: ClassIds, side: str) -> dict[int, int]:
    """The index of each stored value."""
    if set(values) <= set(classes):
        return {stored: index for index, stored in enumerate(classes)}
    others = [value for value in values if value != 0]
    if len(classes) == 2 and len(others) == 1:
        return {0: 0, others[0]: 1}
    unknown = sorted(set(values) - set(classes))
    known = ", ".join(f"{stored}={name}" for stored, name in classes.items())
    raise DataError(
        f"The {side} holds the values {_few(values)}; {_few(unknown)} stand for no "
        f"class. Known are {known}. Name the others too (--classes ID=NAME …), or, if "
        "it is a value of the truth that does not count, give it as --ignore."
    )


def _few(values: Sequence[int]) -> str:
    shown = ", ".join(map(str, values[:8]))
    return f"{shown}, …" if len(values) > 8 else shown
