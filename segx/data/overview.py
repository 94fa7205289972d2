"""A data set in numbers that a page or a table can draw: counts, sizes, histograms."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.data.balance import ClassShares, case_shares, shares
from segx.data.case import SplitName
from segx.data.check import CheckedData
from segx.data.defects import Finding
from segx.data.examine import CaseFacts

__all__ = ["Histogram", "Overview", "SizeCount", "overview"]

_BINS = 64
_PIXELS = 512  # about so many of each image are enough for a histogram of all


@dataclass(frozen=True)
class SizeCount:
    """How many images have a size: planes, rows and columns."""

    planes: int
    rows: int
    cols: int
    images: int


@dataclass(frozen=True)
class Histogram:
    """How often stored values occur in a sample of the pixels of all images.

    Args:
        edges: Borders of the bins, one more than there are shares.
        shares: Share of the sampled pixels in each bin; they add up to 1.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Overview:
    """What a data set holds, whether it has defects or not.

    Args:
        root: Its folder.
        counts: Number of cases in each split; splits without cases are left out.
        sizes: Sizes of the images, the most frequent first.
        channels: Channels that images are read with.
        dtype: Type of the stored values; None where no image can be read.
        value_map: The id of each stored mask value.
        class_names: Names of the classes, the background included where it has an id.
        class_shares: For each split, the share of each class: of the pixels or, for
            classification, of the cases, for detection, of the objects. Of multilabel
            masks they may pass 1 in sum.
        case_shares: For each case by id, the share of each class in its pixels; empty
            for classification.
        histograms: One a channel, of the images with the usual channels.
        findings: Errors, then warnings.
    """

    root: Path
    counts: Mapping[SplitName, int]
    sizes: tuple[SizeCount, ...]
    channels: int
    dtype: str | None
    value_map: Mapping[int, int]
    class_names: tuple[str, ...]
    class_shares: Mapping[SplitName, ClassShares]
    case_shares: Mapping[str, ClassShares]
    histograms: tuple[Histogram, ...]
    findings: tuple[Finding, ...]


def overview(checked: CheckedData) -> Overview:
    """Put a checked data set in numbers."""
    values, layout = checked.common.mask_values, checked.layout
    split_of = checked.split_of
    counts = Counter(split_of.values())
    parts: dict[SplitName, list[CaseFacts]] = {
        name: [item for item in checked.facts if split_of[item.case.id] == name]
        for name in ("train", "val", "test")
    }
    sizes = Counter(
        (item.planes, item.extent.rows, item.extent.cols) for item in checked.facts
    )
    dtype = checked.common.dtype
    return Overview(
        root=layout.root,
        counts={name: counts[name] for name in parts if counts[name]},
        sizes=tuple(SizeCount(*size, images) for size, images in sizes.most_common()),
        channels=checked.common.channels,
        dtype=None if dtype is None else str(dtype),
        value_map={} if values is None else dict(values.ids),
        class_names=_class_names(checked),
        class_shares={
            name: shares(part, layout, values)
            if checked.boxes is None
            else checked.boxes.shares(item.case for item in part)
            for name, part in parts.items()
            if part
        },
        case_shares={} if values is None else case_shares(checked.facts, values),
        histograms=_histograms(
            [
                item.sample[:: max(1, len(item.sample) // _PIXELS)]
                for item in checked.facts
                if item.sample.shape[1] == checked.common.channels
            ]
        ),
        findings=checked.findings,
    )


def _class_names(checked: CheckedData) -> tuple[str, ...]:
    if checked.boxes is not None:
        return checked.boxes.names
    values = checked.common.mask_values
    return values.labels.names if values else checked.layout.class_names or ()


def _histograms(samples: Sequence[NDArray[Any]]) -> tuple[Histogram, ...]:
    """One histogram a channel of samples, each of shape (pixels, channels).

    Bytes have bins from 0 to 255; other types, from the least to the largest value.
    """
    if not samples:
        return ()
    pooled = np.concatenate(samples)
    limits = (0.0, 256.0) if pooled.dtype == np.uint8 else None
    drawn = []
    for values in pooled.T:
        finite = values[np.isfinite(values)]
        counts, edges = np.histogram(finite, bins=_BINS, range=limits)
        drawn.append(
            Histogram(
                tuple(edges.tolist()), tuple((counts / max(counts.sum(), 1)).tolist())
            )
        )
    return tuple(drawn)
