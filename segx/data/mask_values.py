"""What the stored values of masks stand for: ids, or values that map to ids."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.config import DataConfig
from segx.errors import DataError
from segx.labels import Labels

__all__ = [
    "MOST_STORED",
    "MOST_UNNAMED",
    "FoundValue",
    "MaskValues",
    "UnclearValuesError",
    "explain_values",
    "is_blurred",
]

MOST_STORED = 65535
"""Largest stored value that is counted."""

MOST_UNNAMED = 32
"""Most classes without names: more ids than that are rather objects or grey levels."""


@dataclass(frozen=True)
class FoundValue:
    """A value that masks hold: how often, and where to look at it."""

    pixels: int
    files: int
    example: Path


@dataclass(frozen=True)
class MaskValues:
    """The meaning of stored values, and the map from them to ids.

    Args:
        labels: Kind and names of the ids.
        ids: The id of each stored value, `Labels.ignore_index` included.
    """

    labels: Labels
    ids: Mapping[int, int]

    @property
    def is_mapped(self) -> bool:
        """Whether any stored value differs from its id."""
        return any(stored != index for stored, index in self.ids.items())

    def to_ids(self, stored: NDArray[np.integer], *, source: Path) -> NDArray[np.uint8]:
        """Replace stored values by ids.

        Args:
            stored: Values of a mask, any shape.
            source: The file, for the error.

        Returns:
            The same shape.

        Raises:
            DataError: If a value is not among those that the survey found.
        """
        table = np.full(max(self.ids) + 1, -1, np.int16)
        for value, index in self.ids.items():
            table[value] = index
        outside = stored.size and (stored.min() < 0 or stored.max() >= len(table))
        ids = table[np.zeros(1, np.uint8) if outside else stored]
        if outside or (ids < 0).any():
            raise DataError(
                f"{source} holds values that were not there when the data set was "
                f"surveyed: allowed are {sorted(self.ids)}. Was it changed meanwhile?"
            )
        return ids.astype(np.uint8)


class UnclearValuesError(DataError):
    """Masks whose values can't be told what they mean.

    Args:
        found: What the masks do, as the rest of a sentence.
        fix: What to do, as whole sentences.
    """

    def __init__(self, found: str, fix: str = "") -> None:
        super().__init__(f"Masks {found}. {fix}")
        self.found, self.fix = found, fix


def explain_values(
    found: Mapping[int, FoundValue],
    data: DataConfig,
    *,
    planes: tuple[str, ...] | None = None,
) -> MaskValues:
    """Decide what the values of all masks of a data set stand for.

    `data.ignore_index`, where it is found, stays itself. The other values are

    1. ids, if they are 0 … K-1 without a gap, or if `data.classes` names more classes
       than the largest value;
    2. background and one class, if they are 0 and one other value, such as 255;
    3. classes in ascending order, if `data.classes` names exactly as many as there are
       values, such as three for 0, 128 and 255.

    Everything else is refused: nothing is guessed.

    Args:
        found: Each stored value with where it was found.
        data: Gives `mask_kind`, `classes` and `ignore_index`.
        planes: Names of a multilabel mask's planes, which hold 0 and another value.

    Raises:
        UnclearValuesError: With the values found and what to do.

    Examples:
        >>> seen = FoundValue(pixels=9, files=1, example=Path("a.png"))
        >>> values = explain_values({0: seen, 255: seen}, DataConfig())
        >>> values.labels.names, values.ids
        (('background', 'class_1'), {0: 0, 255: 1})
    """
    ignored = data.ignore_index
    values = sorted(value for value in found if value != ignored)
    if planes is not None:
        labels = Labels("multilabel", planes, ignored)
        ids = _foreground_ids(values, found)
    else:
        ids, names = _class_ids(values, found, data)
        binary = len(names) == 2 and data.mask_kind != "multiclass"
        labels = Labels("binary" if binary else "multiclass", names, ignored)
    if ignored is None:
        return MaskValues(labels, ids)
    if ignored in ids.values() and ignored not in ids:
        raise UnclearValuesError(
            f"hold {ignored}, which is data.ignore_index and also the id of a class: "
            f"{_mapping(ids)}",
            fix="Store ignored pixels as 255.",
        )
    return MaskValues(labels, {**ids, ignored: ignored})


def is_blurred(pixels: Mapping[int, int]) -> bool:
    """Whether values look like a few ids with blurred edges between them.

    So they do if there are at least 8 of them, at most half of which are common.

    Examples:
        >>> is_blurred({0: 9000, 255: 900, **dict.fromkeys(range(20, 220, 20), 10)})
        True
        >>> is_blurred({0: 9000, 1: 500, 2: 500})
        False
    """
    return len(pixels) >= 8 and 2 * len(_common(pixels)) <= len(pixels)


def _common(pixels: Mapping[int, int]) -> list[int]:
    """Values that more than a hundredth of the pixels hold."""
    total = sum(pixels.values())
    return [value for value, count in pixels.items() if count > 0.01 * total]


def _class_ids(
    values: list[int], found: Mapping[int, FoundValue], data: DataConfig
) -> tuple[dict[int, int], tuple[str, ...]]:
    """Ids of the values of a mask of classes, and the names of the classes."""
    if len(values) < 2:
        raise UnclearValuesError(
            f"hold one value only, all of them: {_listed(values, found)}",
            fix="There is nothing to learn: at least one mask needs foreground.",
        )
    if data.classes is None:
        ids = _unnamed_ids(values, data.ignore_index, found)
        numbers = range(1, max(ids.values()) + 1)
        names = ("background", *(f"class_{number}" for number in numbers))
    else:
        names = data.classes
        ids = _named_ids(values, names, found)
    if data.mask_kind == "binary" and len(names) > 2:
        raise UnclearValuesError(
            f"hold {_listed(values, found)}, which are {len(names)} classes, but "
            "data.mask_kind is binary",
            fix="Set data.mask_kind to multiclass or auto.",
        )
    return ids, names


def _unnamed_ids(
    values: list[int], ignored: int | None, found: Mapping[int, FoundValue]
) -> dict[int, int]:
    """Ids of values that no config names: rules 1 and 2."""
    largest = values[-1]
    gaps = set(range(largest)) - set(values) - {ignored}
    if not gaps and largest < MOST_UNNAMED:
        return {value: value for value in values}
    if len(values) == 2 and values[0] == 0:
        return {0: 0, largest: 1}
    if not gaps:
        raise UnclearValuesError(
            f"hold {_listed(values, found)}: too many for classes without names",
            fix="If they number objects (instances), store a class for each pixel "
            f"instead; if they are {largest + 1} classes, name all of them in "
            f"data.classes.{_edges(values, found)}",
        )
    raise UnclearValuesError(
        f"hold {_listed(values, found)}, which are not 0, 1, 2 … without a gap",
        fix=f"If each value is a class, name {len(values)} classes in data.classes, in "
        f"the order of the values; if the values are ids, name all {largest + 1}, the "
        f"unused ones too.{_edges(values, found)}",
    )


def _named_ids(
    values: list[int], names: tuple[str, ...], found: Mapping[int, FoundValue]
) -> dict[int, int]:
    """Ids of values for which the config names classes: rules 1 and 3."""
    if values[-1] < len(names):
        return {value: value for value in range(len(names))}
    if len(values) == len(names):
        return {value: index for index, value in enumerate(values)}
    raise UnclearValuesError(
        f"hold {_listed(values, found)}, but data.classes names {len(names)}: "
        f"{', '.join(names)}",
        fix=f"Name {len(values)} classes, in the order of the values, background "
        f"included.{_edges(values, found)}",
    )


def _foreground_ids(
    values: list[int], found: Mapping[int, FoundValue]
) -> dict[int, int]:
    """Ids of the values in the planes of a multilabel mask."""
    foreground = [value for value in values if value != 0]
    if len(foreground) != 1:
        raise UnclearValuesError(
            f"hold {_listed(values, found)}, but are multilabel",
            fix="Store one file for each class, with 0 and one other value, the same "
            f"in all.{_edges(values, found)}",
        )
    return {0: 0, foreground[0]: 1}


def _listed(values: list[int], found: Mapping[int, FoundValue]) -> str:
    """Values with their share of the pixels, rare ones with a file to look at.

    Examples:
        >>> seen = FoundValue(pixels=9, files=1, example=Path("a.png"))
        >>> _listed([0, 7], {0: seen, 7: seen})
        'the values 0 (50.0 %, 1 file), 7 (50.0 %, 1 file)'
    """
    total = sum(item.pixels for item in found.values())
    shown = []
    for value in values[:8]:
        item = found[value]
        files = "1 file" if item.files == 1 else f"{item.files} files"
        share = f"{100 * item.pixels / max(total, 1):.1f} %"
        where = f", e.g. {item.example}" if item.pixels < 0.01 * total else ""
        shown.append(f"{value} ({share}, {files}{where})")
    rest = [f"and {len(values) - 8} more up to {values[-1]}"] if len(values) > 8 else []
    noun = "value" if len(values) == 1 else "values"
    return f"the {noun} {', '.join([*shown, *rest])}"


def _edges(values: list[int], found: Mapping[int, FoundValue]) -> str:
    """A hint, where most values look like blurred edges between a few."""
    pixels = {value: found[value].pixels for value in values}
    if not is_blurred(pixels):
        return ""
    return (
        f" Only {', '.join(map(str, _common(pixels)))} are common: the rest looks like "
        "edges that were blurred by scaling or by JPEG. Save masks as PNG, scaled "
        "without interpolation."
    )


def _mapping(ids: Mapping[int, int]) -> str:
    """A map in words.

    Examples:
        >>> _mapping({0: 0, 255: 1})
        '0 → 0, 255 → 1'
    """
    return ", ".join(f"{stored} → {index}" for stored, index in ids.items())
