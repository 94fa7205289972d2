"""What the cases of a data set have in common: channels, type, meaning of the masks."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segx.config import DataConfig
from segx.data.case import Layout, Task
from segx.data.defects import Code, Findings, plural
from segx.data.examine import CaseFacts
from segx.data.mask_values import (
    FoundValue,
    MaskValues,
    UnclearValuesError,
    explain_values,
    is_blurred,
)
from segx.scans.lossy import is_lossy

__all__ = ["Common", "find_common"]

_TRIED_VALUES = 64
"""Most values that a set of masks is tried to be explained by."""

_STRAY = 1e-4
"""Share of a mask's pixels below which a class that no other mask holds is doubted."""

_OTHER_VALUES = (
    "Store the ids that the others hold; if these are further classes, name all of "
    "them in data.classes; if they number objects, store classes."
)


@dataclass(frozen=True)
class Common:
    """What all images and masks of a data set are read as.

    Args:
        channels: Channels that every image is read with.
        dtype: Type that every image is read with; None where none can be read.
        mask_values: What stored mask values mean; None without masks that agree.
    """

    channels: int
    dtype: np.dtype[Any] | None
    mask_values: MaskValues | None


def find_common(
    facts: Sequence[CaseFacts],
    layout: Layout,
    data: DataConfig,
    *,
    task: Task,
    found: Findings,
) -> Common:
    """Agree on what most cases are; those that are otherwise become findings."""
    channels = data.channels
    _find_missing_channels(facts, layout, found)
    return Common(
        _common_channels(facts, found) if channels == "auto" else channels,
        _common_type(facts, data, found),
        None
        if task in {"classification", "detection"}
        else _common_values(facts, layout, data, found),
    )


def _find_missing_channels(
    facts: Sequence[CaseFacts], layout: Layout, found: Findings
) -> None:
    """Where a data set names its channels, one file holds all, or it is not alone.

    A grey picture would be read as three equal channels, and pass for whole.
    """
    wanted = len(layout.channel_names or ())
    for item in facts:
        alone = wanted > 1 and len(item.case.images) == 1
        if alone and wanted not in {item.channels, item.stored_channels}:
            found.add(
                Code.CHANNEL_FILES,
                item.case.image,
                f"has {plural(item.channels, 'channel')} and is the only file of its "
                "case",
                expected=f"one file for all {wanted} channels, or one each",
                fix="Add what is missing, or correct channel_names.",
            )


def _common_channels(facts: Sequence[CaseFacts], found: Findings) -> int:
    """The channels that most images can be read with.

    An alpha channel that is opaque everywhere does not count, and grey goes along with
    RGB as three equal channels.
    """
    count = Counter(item.channels for item in facts)
    usual = count.most_common(1)[0][0] if count else 0
    usual = 3 if usual == 1 and 3 in count else usual
    kinds = " and ".join(
        f"{plural(n, 'image')} of {plural(channels, 'channel')}"
        for channels, n in count.most_common()
    )
    for item in facts:
        fits = usual in {item.channels, item.stored_channels}
        if not fits and (item.channels, usual) != (1, 3):
            found.add(
                Code.CHANNEL_MIX,
                item.case.image,
                f"has {plural(item.channels, 'channel')}",
                expected=f"{usual}; there are {kinds}",
                fix="Convert the images so that all have the same channels.",
            )
    return usual


def _common_type(
    facts: Sequence[CaseFacts], data: DataConfig, found: Findings
) -> np.dtype[Any] | None:
    """The type that all images are read with.

    One scale from stored values to [0, 1] needs images of one type. Volumes come in
    several, and so may scans that are scaled one by one: a wider type holds them all.
    """
    count = Counter(item.dtype for item in facts)
    if not count:
        return None
    usual = count.most_common(1)[0][0]
    each_scan = data.intensity in {"scan_percentile", "scan_zscore"}
    is_mixable = each_scan or any(item.planes > 1 for item in facts)
    if is_mixable and data.intensity != "range":
        return np.result_type(*count)
    for item in facts:
        if item.dtype != usual:
            found.add(
                Code.TYPE_MIX,
                item.case.image,
                f"holds {item.dtype} values",
                expected=f"{usual}, as {plural(count[usual], 'image')}",
                fix="Convert the images to one type.",
            )
    return usual


@dataclass(frozen=True)
class _Mask:
    """A mask, its pixels of each value, and whether JPEG may have made some up."""

    path: Path
    counts: Mapping[int, int]
    is_lossy: bool

    @property
    def values(self) -> frozenset[int]:
        return frozenset(self.counts)


def _common_values(
    facts: Sequence[CaseFacts], layout: Layout, data: DataConfig, found: Findings
) -> MaskValues | None:
    """What the values of all masks mean, or of all but the odd ones."""
    masks = [
        _Mask(path, counts, is_lossy(path))
        for item in facts
        for path, counts in zip(item.case.masks, item.values, strict=True)
        if counts is not None
    ]
    if not masks:
        return None
    # Values that JPEG made up may pass for ids: masks without it are asked first.
    exact = [mask for mask in masks if not mask.is_lossy]
    planes = layout.plane_names
    usual = _usual(exact, data, planes) or _usual(masks, data, planes)
    if usual is None:
        _find_unclear(masks, layout, data, found)
        return None
    known = frozenset(usual.ids)
    for mask in masks:
        if not mask.values <= known:
            _odd(mask, known, data, found)
        elif mask.is_lossy:
            found.add(
                Code.LOSSY_FORMAT,
                mask.path,
                "is compressed as JPEG, which changes values at edges",
                expected="a format that keeps every value",
                fix="Export it again, as PNG: pixels at edges may be of another class.",
            )
    _find_stray(masks, usual, found)
    return usual


def _find_unclear(
    masks: Sequence[_Mask], layout: Layout, data: DataConfig, found: Findings
) -> None:
    """Write down why the values of most masks can't be told what they mean."""
    blurred = [mask for mask in masks if is_blurred(mask.counts)]
    if 2 * len(blurred) >= len(masks):
        for mask in blurred:
            _odd(mask, frozenset({0}), data, found)
        return
    try:
        explain_values(_pooled(masks), data, planes=layout.plane_names)
    except UnclearValuesError as reason:
        found.add(
            Code.MASK_VALUES,
            layout.root,
            f"has masks that {reason.found}",
            expected="ids 0, 1, 2 … without a gap, or 0 and one other value",
            fix=reason.fix,
        )


def _find_stray(masks: Sequence[_Mask], usual: MaskValues, found: Findings) -> None:
    """Write down classes that a few pixels of one mask hold, and no other mask."""
    if len(masks) < 2:
        return
    files = Counter(value for mask in masks for value in mask.counts)
    for mask in masks:
        fewest = _STRAY * sum(mask.counts.values())
        stray = [
            value
            for value, pixels in sorted(mask.counts.items())
            if value in usual.ids and files[value] == 1 and pixels < fewest
        ]
        if stray:
            found.add(
                Code.STRAY_CLASS,
                mask.path,
                f"alone holds {_listed(stray, mask.counts)}",
                expected=f"classes that other masks hold too, or {_STRAY:.2%} of one",
                fix="Compression noise, or a slip of the brush? Store the id that is "
                "meant; if it is a class, all is well.",
            )


def _usual(
    masks: Sequence[_Mask], data: DataConfig, planes: tuple[str, ...] | None
) -> MaskValues | None:
    """What the values of all masks mean or else, if that can be told, of at least half.

    The values that most files hold are tried first; those that explain most files win.
    Rare classes follow: values of sharp masks that have a meaning beside these.
    """
    pooled = _pooled(masks)
    best = _explained(frozenset(pooled), pooled, data, planes)
    if best is not None:
        return best
    order = sorted(pooled, key=lambda v: (-pooled[v].files, -pooled[v].pixels))
    most = (len(masks) - 1) / 2
    for count in range(1, min(len(order), _TRIED_VALUES) + 1):
        tried = frozenset(order[:count])
        inside = sum(mask.values <= tried for mask in masks)
        meaning = _explained(tried, pooled, data, planes) if inside > most else None
        if meaning is not None:
            best, most = meaning, inside
    if best is None:
        return None
    for mask in sorted(masks, key=lambda mask: max(mask.values)):
        more = mask.values | best.ids.keys() & pooled.keys()
        is_doubtful = mask.is_lossy or is_blurred(mask.counts)
        if not (more <= best.ids.keys() or is_doubtful):
            best = _explained(more, pooled, data, planes) or best
    return best


def _explained(
    values: frozenset[int],
    pooled: Mapping[int, FoundValue],
    data: DataConfig,
    planes: tuple[str, ...] | None,
) -> MaskValues | None:
    """What some of the values mean, if that can be told."""
    try:
        return explain_values({v: pooled[v] for v in values}, data, planes=planes)
    except UnclearValuesError:
        return None


def _pooled(masks: Iterable[_Mask]) -> dict[int, FoundValue]:
    """Each value with where it was found."""
    pixels: Counter[int] = Counter()
    files: Counter[int] = Counter()
    example: dict[int, Path] = {}
    for mask in masks:
        pixels.update(mask.counts)
        files.update(mask.counts.keys())
        for value in mask.counts:
            example.setdefault(value, mask.path)
    return {
        value: FoundValue(pixels[value], files[value], example[value])
        for value in pixels
    }


def _odd(mask: _Mask, known: frozenset[int], data: DataConfig, found: Findings) -> None:
    """Write down a mask whose values are not those of the others, and why not."""
    allowed = ", ".join(map(str, sorted(known)[:9]))
    strange = sorted(mask.values - known)
    seen = f"holds {_listed(strange, mask.counts)}"
    expected = f"{allowed}, as the other masks"
    if mask.is_lossy:
        code, fix = (
            Code.LOSSY_MASK,
            "JPEG changes values at edges: export the mask again, as PNG.",
        )
    elif is_blurred(mask.counts):
        code, fix = (
            Code.BLURRED_MASK,
            "Export it again without antialiasing, scaled without interpolation.",
        )
        expected = "ids alone, without values in between"
    elif data.classes is not None:
        code, fix = Code.MASK_RANGE, "Correct the ids, or name all classes."
        expected = f"{allowed}: data.classes names {len(data.classes)}"
    else:
        code, fix = Code.MASK_VALUES, _OTHER_VALUES
    found.add(code, mask.path, seen, expected=expected, fix=fix)


def _listed(values: Sequence[int], counts: Mapping[int, int]) -> str:
    """Values with the number of their pixels.

    Examples:
        >>> _listed([7, 9], {0: 90, 7: 9, 9: 1})
        '7 (9 px), 9 (1 px)'
    """
    shown = [f"{value} ({counts[value]} px)" for value in values[:5]]
    more = len(values) - len(shown)
    return ", ".join(shown) + (f" and {more} more up to {values[-1]}" if more else "")
