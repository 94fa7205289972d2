"""A data set looked at whole: what it holds, what that means, what is wrong with it."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.config import DataConfig
from segx.data.case import Case, Layout, SplitName, Task, classes_of
from segx.data.defects import Defect, DefectsError, plural
from segx.data.examine import CaseFacts, examine
from segx.data.mask_values import FoundValue, MaskValues, explain_values
from segx.data.splits import Splits
from segx.errors import DataError
from segx.geometry import Extent
from segx.labels import Labels
from segx.scans import Intensity, match_channels
from segx.scans.intensity import ScanScale, measured_range

__all__ = ["Survey", "survey"]

logger = logging.getLogger(__name__)

_SOURCE = "percentiles 0.5 and 99.5 of training images"
_UNLIKE = 4
"""Scans whose ranges differ by such a factor have no common unit."""

_SCAN_SCALES: Mapping[str, ScanScale] = {
    "scan_percentile": "percentile",
    "scan_zscore": "zscore",
}
"""Values of `data.intensity` that scale each scan by itself."""

Range = tuple[tuple[float, ...], tuple[float, ...]]
"""Stored values that become 0 and 1, one a channel."""


@dataclass(frozen=True)
class Survey:
    """What all cases of a data set have in common.

    Args:
        channels: Channels that every image is read with.
        dtype: Type of the stored values of the images, such as ``uint8``.
        low: Stored value that becomes 0, one a channel.
        high: Stored value that becomes 1, one a channel.
        intensity_source: Where `low` and `high` come from, in words.
        scan_scale: How each scan's own scale is measured; None where one holds for all.
        scan_ranges: Low and high of each scan by case id, where each has its own.
        extents: Size of each image, or of a volume's planes, by case id, in pixels.
        planes: Number of planes of each image by case id.
        mask_values: What stored mask values mean; None without masks.
        class_fractions: Share of the training pixels (classification: cases) of each
            class; planes of multilabel masks may add up to more than 1.
        warnings: What is allowed but should be looked at.
    """

    channels: int
    dtype: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    intensity_source: str
    scan_scale: ScanScale | None
    scan_ranges: Mapping[str, Range]
    extents: Mapping[str, Extent]
    planes: Mapping[str, int]
    mask_values: MaskValues | None
    class_fractions: Mapping[str, float]
    warnings: tuple[str, ...]

    @property
    def labels(self) -> Labels | None:
        """What the ids of the masks mean."""
        return None if self.mask_values is None else self.mask_values.labels

    @property
    def value_map(self) -> dict[int, int]:
        """The id of each stored mask value."""
        return {} if self.mask_values is None else dict(self.mask_values.ids)

    def intensity(
        self, *, mean: float | Sequence[float], std: float | Sequence[float]
    ) -> Intensity:
        """The intensity scale of this data set for an encoder's mean and std."""
        if self.scan_scale is not None:
            return Intensity.for_each_scan(
                self.scan_scale, self.channels, mean=mean, std=std
            )
        dtype = np.dtype(self.dtype)
        if self.intensity_source == f"range of {dtype}":
            # Scans of another type are refused: they would come out black or white.
            return Intensity.for_dtype(dtype, self.channels, mean=mean, std=std)
        return Intensity.from_percentiles(
            self.low, self.high, mean=mean, std=std, source=self.intensity_source
        )


def survey(
    layout: Layout, data: DataConfig, *, task: Task, splits: Splits | None = None
) -> Survey:
    """Read every image and mask once, and agree on what they mean.

    Args:
        layout: The cases.
        data: Gives `channels`, `axis`, `window`, `intensity`, and what masks mean.
        task: Masks are not read for classification.
        splits: Tells the training cases, whose pixels alone set the intensity scale;
            by default all cases that the layout puts in no other split.

    Raises:
        DefectsError: With every file that can't be read or doesn't fit the others.
        DataError: If mask values can't be told what they mean.
    """
    wanted = None if data.channels == "auto" else data.channels
    look = partial(
        examine,
        channels=wanted,
        axis=data.axis,
        measured=data.intensity not in {"auto", "range"},
    )
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        examined = list(pool.map(look, layout.cases))
    facts = [item.facts for item in examined if item.facts is not None]
    defects = [defect for item in examined for defect in item.defects]
    channels = wanted or _common_channels(facts, defects)
    dtype = _common_type(facts, data, defects)
    values = (
        None if task == "classification" else _mask_values(facts, layout, data, defects)
    )
    if defects:
        raise DefectsError(f"Data set {layout.root}", defects)
    held: dict[SplitName, list[CaseFacts]] = {"train": _in_training(facts)}
    if splits is not None:
        held = {name: _part(facts, cases) for name, cases in splits.items()}
    shares = {
        name: _fractions(part, layout, values) for name, part in held.items() if part
    }
    scale = _scan_scale(held["train"], channels, data)
    ranges = _scan_ranges(facts, channels, scale)
    _refuse_blank(ranges, layout)
    (low, high), source = _intensity_range(held["train"], channels, data)
    found = Survey(
        channels=channels,
        dtype=str(dtype),
        low=low,
        high=high,
        intensity_source=source if scale is None else f"{scale} of each scan",
        scan_scale=scale,
        scan_ranges=ranges,
        extents={item.case.id: item.extent for item in facts},
        planes={item.case.id: item.planes for item in facts},
        mask_values=values,
        class_fractions=shares["train"],
        warnings=tuple(_absent(shares)),
    )
    _tell(found, facts)
    return found


def _common_channels(facts: Sequence[CaseFacts], defects: list[Defect]) -> int:
    """The channels that every image can be read with; others are defects.

    An alpha channel that is opaque everywhere does not count, and grey goes along with
    RGB as three equal channels.
    """
    most = max((item.channels for item in facts), default=0)
    count = Counter(item.stored_channels for item in facts)
    for item in facts:
        fits = most in {item.channels, item.stored_channels}
        if not fits and (item.channels, most) != (1, 3):
            kinds = ", ".join(
                f"{n} of {plural(c, 'channel')}" for c, n in count.items()
            )
            problem = (
                f"has {plural(item.channels, 'channel')}; the images are {kinds}. "
            )
            repair = "Convert images so that all have the same channels."
            defects.append(Defect(item.case.image, problem + repair))
    return most


def _common_type(
    facts: Sequence[CaseFacts], data: DataConfig, defects: list[Defect]
) -> np.dtype[Any] | None:
    """The type that all images are read with.

    One scale from stored values to [0, 1] needs images of one type. Volumes come in
    several, and so may scans that are scaled one by one: a wider type holds them all.
    """
    count = Counter(item.dtype for item in facts)
    if not count:
        return None
    usual = count.most_common(1)[0][0]
    is_mixable = data.intensity in _SCAN_SCALES or any(i.planes > 1 for i in facts)
    if is_mixable and data.intensity != "range":
        return np.result_type(*count)
    defects += [
        Defect(
            item.case.image,
            f"holds {item.dtype} values, but {plural(count[usual], 'other image')} "
            f"{usual}. Convert images to one type.",
        )
        for item in facts
        if item.dtype != usual
    ]
    return usual


def _mask_values(
    facts: Sequence[CaseFacts], layout: Layout, data: DataConfig, defects: list[Defect]
) -> MaskValues | None:
    """Decide what the values of all masks mean, or write down why that can't be."""
    pixels: Counter[int] = Counter()
    files: Counter[int] = Counter()
    example: dict[int, Path] = {}
    for item in facts:
        for path, counts in zip(item.case.masks, item.values, strict=True):
            pixels.update(counts)
            files.update(counts.keys())
            example |= {value: path for value in counts if value not in example}
    found = {
        value: FoundValue(pixels[value], files[value], example[value])
        for value in pixels
    }
    if not found:
        return None
    try:
        return explain_values(found, data, planes=layout.plane_names)
    except DataError as error:
        defects.append(Defect(layout.root, str(error)))
        return None


def _in_training(facts: Sequence[CaseFacts]) -> list[CaseFacts]:
    """The facts of the cases that the data set itself puts in no other split."""
    return [item for item in facts if item.case.split in {None, "train"}]


def _part(facts: Sequence[CaseFacts], cases: Sequence[Case]) -> list[CaseFacts]:
    """The facts of some cases."""
    ids = {case.id for case in cases}
    return [item for item in facts if item.case.id in ids]


def _scan_scale(
    training: Sequence[CaseFacts], channels: int, data: DataConfig
) -> ScanScale | None:
    """How each scan is scaled by itself, if that is asked for, or volumes need it.

    Volumes of one type whose ranges are alike, such as CT, share a scale. MRI has no
    unit: there a shared scale would leave most scans black or white.
    """
    if data.intensity != "auto":
        return _SCAN_SCALES.get(data.intensity)
    if data.window is not None or all(item.planes == 1 for item in training):
        return None
    ranges = _scan_ranges(training, channels, "percentile").values()
    widths = [max(np.subtract(high, low)) for low, high in ranges]
    mixed = len({item.dtype for item in training}) > 1
    unlike = max(widths) > _UNLIKE * min(widths)
    if mixed or unlike:
        logger.info(
            "The ranges of the training volumes are %g to %g wide%s: each is scaled by "
            "its own percentiles (data.intensity: scan_percentile).",
            min(widths),
            max(widths),
            ", their types differ" if mixed else "",
        )
    return "percentile" if mixed or unlike else None


def _scan_ranges(
    facts: Sequence[CaseFacts], channels: int, scale: ScanScale | None
) -> dict[str, Range]:
    """The range of each scan by itself; nothing where one scale holds for all."""
    if scale is None:
        return {}
    return {
        item.case.id: measured_range(_pixels(item, channels), scale) for item in facts
    }


def _refuse_blank(ranges: Mapping[str, Range], layout: Layout) -> None:
    """Scans that hold one value have no scale of their own."""
    images = {case.id: case.image for case in layout.cases}
    defects = [
        Defect(images[name], f"holds {low[0]:g} everywhere: leave it out.")
        for name, (low, high) in ranges.items()
        if any(np.greater_equal(low, high))
    ]
    if defects:
        raise DefectsError(f"Data set {layout.root}", defects)


def _intensity_range(
    training: Sequence[CaseFacts], channels: int, data: DataConfig
) -> tuple[Range, str]:
    """Stored values of all images that become 0 and 1, and where they come from."""
    if data.window is not None:
        scale = Intensity.from_window(*data.window, channels, mean=0, std=1)
        return (scale.low, scale.high), scale.source
    dtype = np.result_type(*(item.dtype for item in training))
    is_byte = dtype == np.uint8 and data.intensity != "percentile"
    if is_byte or data.intensity == "range":
        scale = Intensity.for_dtype(dtype, channels, mean=0, std=1)
        return (scale.low, scale.high), scale.source
    pooled = np.concatenate([_pixels(item, channels) for item in training])
    return measured_range(pooled, "percentile"), _SOURCE


def _pixels(item: CaseFacts, channels: int) -> NDArray[Any]:
    """The sample of a case with the data set's channels, (pixels, channels)."""
    if item.sample is None:
        raise DataError(f"{item.case.image} was not sampled for an intensity scale.")
    matched = match_channels(
        item.sample[:, np.newaxis], channels, source=item.case.image
    )
    return matched[:, 0]


def _fractions(
    facts: Sequence[CaseFacts], layout: Layout, values: MaskValues | None
) -> dict[str, float]:
    """Share of each class: of the pixels, or of the cases where there are no masks."""
    if values is None:
        names = layout.class_names or ()
        seen = Counter(index for item in facts for index in classes_of(item.case))
        return {name: seen[index] / len(facts) for index, name in enumerate(names)}
    names, ignored = values.labels.names, values.labels.ignore_index
    seen = Counter()
    total = 0
    for item in facts:
        for plane, counts in enumerate(item.values):
            ids = Counter({values.ids[stored]: n for stored, n in counts.items()})
            total += ids.total() - (0 if ignored is None else ids[ignored])
            if values.labels.kind == "multilabel":
                seen[plane] += ids[1]
            else:
                seen += ids
    # Each plane of a multilabel mask covers the whole image.
    pixels = total / (len(names) if values.labels.kind == "multilabel" else 1)
    return {name: seen[index] / max(pixels, 1) for index, name in enumerate(names)}


def _absent(shares: Mapping[SplitName, Mapping[str, float]]) -> list[str]:
    """Warn of classes that a split lacks."""
    consequence = {
        "train": "it can't be learnt",
        "val": "its validation scores are undefined",
        "test": "its test scores are undefined",
    }
    return [
        f"No {split} case holds the class {name}: {consequence[split]}."
        for split, fractions in shares.items()
        for name, share in fractions.items()
        if share == 0
    ]


def _tell(found: Survey, facts: Sequence[CaseFacts]) -> None:
    """Log what was decided on the way."""
    if found.mask_values is not None and found.mask_values.is_mapped:
        logger.info("Stored mask values and their ids: %s.", found.value_map)
    grey = sum(item.channels == 1 for item in facts)
    if found.channels == 3 and grey:
        logger.info("%d of %d images are grey: read as RGB.", grey, len(facts))
    for warning in found.warnings:
        logger.warning(warning)
