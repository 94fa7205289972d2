"""A data set looked at whole: what it holds, what that means, what is wrong with it."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from segx.config import DataConfig
from segx.data.case import Case, Layout, SplitName, Task
from segx.data.defects import Defect, DefectsError, plural
from segx.data.examine import CaseFacts, examine
from segx.data.mask_values import FoundValue, MaskValues, explain_values
from segx.data.splits import Splits
from segx.errors import DataError
from segx.geometry import Extent
from segx.labels import Labels
from segx.scans import Intensity, match_channels

__all__ = ["Survey", "survey"]

logger = logging.getLogger(__name__)

_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Survey:
    """What all cases of a data set have in common.

    Args:
        channels: Channels that every image is read with.
        dtype: Type of the stored values of the images, such as ``uint8``.
        low: Stored value that becomes 0, one a channel.
        high: Stored value that becomes 1, one a channel.
        intensity_source: Where `low` and `high` come from, in words.
        extents: Size of each image by case id, in pixels.
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
    extents: Mapping[str, Extent]
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
        return Intensity.from_percentiles(
            self.low, self.high, mean=mean, std=std, source=self.intensity_source
        )


def survey(
    layout: Layout, data: DataConfig, *, task: Task, splits: Splits | None = None
) -> Survey:
    """Read every image and mask once, and agree on what they mean.

    Args:
        layout: The cases.
        data: Gives `channels`, `window`, `mask_kind`, `classes` and `ignore_index`.
        task: Masks are read for segmentation only.
        splits: Tells the training cases, whose pixels alone set the intensity scale;
            by default all cases that the layout puts in no other split.

    Raises:
        DefectsError: With every file that can't be read or doesn't fit the others.
        DataError: If mask values can't be told what they mean.
    """
    wanted = None if data.channels == "auto" else data.channels
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        examined = list(pool.map(partial(examine, channels=wanted), layout.cases))
    facts = [item.facts for item in examined if item.facts is not None]
    defects = [defect for item in examined for defect in item.defects]
    channels = wanted or _common_channels(facts, defects)
    _check_types(facts, defects)
    values = (
        _mask_values(facts, layout, data, defects) if task == "segmentation" else None
    )
    if defects:
        raise DefectsError(f"Data set {layout.root}", defects)
    held: dict[SplitName, list[CaseFacts]] = {"train": _in_training(facts)}
    if splits is not None:
        held = {name: _part(facts, cases) for name, cases in splits.items()}
    shares = {
        name: _fractions(part, layout, values) for name, part in held.items() if part
    }
    low, high, source = _intensity_range(held["train"], channels, window=data.window)
    found = Survey(
        channels=channels,
        dtype=str(facts[0].dtype),
        low=low,
        high=high,
        intensity_source=source,
        extents={item.case.id: item.extent for item in facts},
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


def _check_types(facts: Sequence[CaseFacts], defects: list[Defect]) -> None:
    """One scale from stored values to [0, 1] needs one type of values."""
    count = Counter(item.dtype for item in facts)
    usual = count.most_common(1)[0][0] if count else None
    defects += [
        Defect(
            item.case.image,
            f"holds {item.dtype} values, but {plural(count[usual], 'other image')} "
            f"{usual}. Convert images to one type.",
        )
        for item in facts
        if usual is not None and item.dtype != usual
    ]


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


def _intensity_range(
    training: Sequence[CaseFacts],
    channels: int,
    *,
    window: tuple[float, float] | None,
) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Stored values that become 0 and 1, and where they come from."""
    if window is not None:
        scale = Intensity.from_window(*window, channels, mean=0, std=1)
        return scale.low, scale.high, scale.source
    dtype = training[0].dtype
    if dtype == np.uint8:
        return (0.0,) * channels, (255.0,) * channels, "range of uint8"
    samples = [
        match_channels(item.sample[:, np.newaxis], channels, source=item.case.image)
        for item in training
        if item.sample is not None
    ]
    pooled = np.concatenate(samples).reshape(-1, channels).astype(np.float64)
    low, high = np.percentile(pooled, _PERCENTILES, axis=0)
    # Where nearly all pixels are equal, percentiles coincide: take what there is.
    flat = low >= high
    low = np.where(flat, pooled.min(axis=0), low)
    high = np.where(flat, pooled.max(axis=0), high)
    source = (
        f"percentiles {_PERCENTILES[0]:g} and {_PERCENTILES[1]:g} of training images"
    )
    return tuple(low.tolist()), tuple(high.tolist()), source


def _fractions(
    facts: Sequence[CaseFacts], layout: Layout, values: MaskValues | None
) -> dict[str, float]:
    """Share of each class: of the pixels, or of the cases where there are no masks."""
    if values is None:
        names = layout.class_names or ()
        seen = Counter(item.case.label for item in facts)
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
