"""What a sound data set is read as: channels, intensity scale, sizes, labels."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.config import DataConfig
from segx.data.agree import Common
from segx.data.balance import ClassShares
from segx.data.defects import Code, Findings
from segx.data.examine import CaseFacts
from segx.data.mask_values import MaskValues
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
    class_fractions: ClassShares

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
    facts: Sequence[CaseFacts],
    training: Sequence[CaseFacts],
    common: Common,
    data: DataConfig,
    *,
    fractions: ClassShares,
    found: Findings,
) -> Survey | None:
    """Sum up cases that go together, if their values can be scaled.

    Args:
        facts: All cases without a defect.
        training: Those whose pixels set the intensity scale.
        common: What all of them are read as.
        data: Gives `window` and `intensity`.
        fractions: Share of each class in training.
        found: Where images that have no range of values are written down.
    """
    scale = _scan_scale(facts, training, common.channels, data)
    ranges = _scan_ranges(facts, common.channels, scale)
    _find_blank(ranges, facts, found)
    try:
        (low, high), source = _intensity_range(training, common, data)
    except DataError as error:
        found.add(
            Code.NO_INTENSITY_RANGE,
            training[0].case.image,
            f"can't be scaled as the config says: {str(error).rstrip('.')}",
            expected="whole numbers, whose type tells their range",
            fix="Set data.intensity to auto.",
        )
        return None
    if scale is None and any(np.greater_equal(low, high)):
        found.add(
            Code.NO_INTENSITY_RANGE,
            training[0].case.image,
            f"holds {_values(low)} everywhere, as all training images do",
            expected="at least two values",
            fix="Were they exported right? Replace them.",
        )
    return Survey(
        channels=common.channels,
        dtype=str(common.dtype),
        low=low,
        high=high,
        intensity_source=source if scale is None else f"{scale} of each scan",
        scan_scale=scale,
        scan_ranges=ranges,
        extents={item.case.id: item.extent for item in facts},
        planes={item.case.id: item.planes for item in facts},
        mask_values=common.mask_values,
        class_fractions=fractions,
    )


def _scan_scale(
    facts: Sequence[CaseFacts],
    training: Sequence[CaseFacts],
    channels: int,
    data: DataConfig,
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
    # A scale learnt from the narrower type would cut off what the wider one holds.
    mixed = len({item.dtype for item in facts}) > 1
    unlike = max(widths) > _UNLIKE * min(widths)
    if mixed or unlike:
        logger.info(
            "The ranges of the training volumes are %g to %g wide%s: each is scaled by "
            "its own percentiles (data.intensity: scan_percentile).",
            min(widths),
            max(widths),
            ", the types of all volumes differ" if mixed else "",
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


def _find_blank(
    ranges: Mapping[str, Range], facts: Sequence[CaseFacts], found: Findings
) -> None:
    """Scans that hold one value have no scale of their own."""
    images = {item.case.id: item.case.image for item in facts}
    for name, (low, high) in ranges.items():
        if any(np.greater_equal(low, high)):
            found.add(
                Code.NO_INTENSITY_RANGE,
                images[name],
                f"holds {_values(low)} everywhere, and each scan is scaled by itself",
                expected="at least two values",
                fix="Take it out.",
            )


def _intensity_range(
    training: Sequence[CaseFacts], common: Common, data: DataConfig
) -> tuple[Range, str]:
    """Stored values of all images that become 0 and 1, and where they come from."""
    if data.window is not None:
        scale = Intensity.from_window(*data.window, common.channels, mean=0, std=1)
        return (scale.low, scale.high), scale.source
    dtype = np.dtype(common.dtype)
    is_byte = dtype == np.uint8 and data.intensity != "percentile"
    if is_byte or data.intensity == "range":
        scale = Intensity.for_dtype(dtype, common.channels, mean=0, std=1)
        return (scale.low, scale.high), scale.source
    pooled = np.concatenate([_pixels(item, common.channels) for item in training])
    flat = np.flatnonzero(np.ptp(pooled, axis=0) == 0)
    if 0 < len(flat) < common.channels:
        logger.warning(
            "Channel %s of the training images holds one value: nothing is learnt "
            "from it. Channels are counted from 0.",
            ", ".join(map(str, flat)),
        )
    return measured_range(pooled, "percentile"), _SOURCE


def _values(channels: Sequence[float]) -> str:
    """The value of each channel, in words."""
    return ", ".join(f"{value:g}" for value in channels)


def _pixels(item: CaseFacts, channels: int) -> NDArray[Any]:
    """The sample of a case with the data set's channels, (pixels, channels)."""
    matched = match_channels(
        item.sample[:, np.newaxis], channels, source=item.case.image
    )
    return matched[:, 0]
