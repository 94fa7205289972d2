"""What of a data set decides how to learn from it, in few numbers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.config import DataConfig
from segx.data.case import Case, Layout, SplitName, Task
from segx.data.check import Progress, check_data
from segx.data.defects import plural
from segx.data.look import Look, look_at
from segx.data.reader import CaseReader
from segx.data.survey import Survey
from segx.geometry import Extent
from segx.labels import ClassKind, Labels

__all__ = ["Fingerprint", "take_fingerprint"]

logger = logging.getLogger(__name__)

_LOOKS = 32
"""Most cases that are looked at closely."""

_FEWEST_POSES = 6
"""Of fewer images, no average says how they are held."""


@dataclass(frozen=True)
class Fingerprint:
    """A data set in numbers; those marked * are of at most 32 training cases.

    Args:
        task: What is learnt.
        cases: Number of cases that the data set itself puts in each split; those that
            it puts nowhere are for training.
        labels: What mask values mean; None for classification.
        class_names: Names of the classes of the masks or of the images.
        class_fractions: Share of the training pixels (classification: cases) of each.
        has_patients: Whether the patient of each case is told.
        dtype: Type of the stored values.
        channels: Channels of the images.
        sizes: Size of each training image, or of a volume's planes, in pixels.
        planes: Number of planes of each training image.
        spacing_mm: Median distance of planes, rows and columns*; None if unknown.
        low: The 0.5th percentile of the values*, over all channels.
        high: The 99.5th percentile*.
        brightness: Median of the values* between `low` (0) and `high` (1).
        colour: Mean distance of the brightest from the darkest of three channels*, on
            the same scale; 0 for grey, None for other than three channels.
        scale_ratio: Widest range of an image divided by the narrowest*, blank ones
            apart.
        foreground: The 5th and the 95th percentile of the values in objects*; None
            without masks.
        thickness_px: Thickness that 9 in 10 images don't exceed: of the largest circle
            inside an object*, in pixels; None without masks.
        upright: How much less an image is correlated with the average of the others
            when it stands on its head than when it is mirrored*, median; None if too
            few to tell.
        class_kind: Whether an image is of one class, or may be of several.
    """

    task: Task
    cases: Mapping[SplitName, int]
    labels: Labels | None
    class_names: tuple[str, ...]
    class_fractions: Mapping[str, float]
    has_patients: bool
    dtype: str
    channels: int
    sizes: tuple[Extent, ...]
    planes: tuple[int, ...]
    spacing_mm: tuple[float, float, float] | None
    low: float
    high: float
    brightness: float
    colour: float | None
    scale_ratio: float
    foreground: tuple[float, float] | None
    thickness_px: float | None
    upright: float | None
    class_kind: ClassKind = "multiclass"

    @property
    def median_size(self) -> Extent:
        """Median rows and median columns of the training images, in pixels."""
        rows = np.median([size.rows for size in self.sizes])
        cols = np.median([size.cols for size in self.sizes])
        return Extent(int(rows), int(cols))

    @property
    def reach(self) -> str:
        """`low` and `high` in words."""
        digits = 0 if self.high - self.low >= 100 else 3
        return f"{self.low:.{digits}f} to {self.high:.{digits}f}"

    @property
    def objects(self) -> dict[str, float]:
        """Share of each class that there is something of, the background apart."""
        names = self.labels.foreground if self.labels else self.class_names
        shares = {name: self.class_fractions[name] for name in names}
        return {name: share for name, share in shares.items() if share}

    @property
    def rarest(self) -> float:
        """Share of the rarest of these classes; 0 if there is none."""
        return min(self.objects.values(), default=0.0)

    @property
    def imbalance(self) -> float:
        """How many times the rarest of them the commonest is there."""
        return max(self.objects.values(), default=1.0) / (self.rarest or 1.0)

    @property
    def has_volumes(self) -> bool:
        """Whether any image has more than one plane."""
        return max(self.planes) > 1


def take_fingerprint(
    data: DataConfig, *, task: Task, seed: int, progress: Progress | None = None
) -> Fingerprint:
    """Check a data set, and look closely at some of its training cases.

    Args:
        data: As far as it is known: root, classes, axis, channels …
        task: Masks are read for segmentation only.
        seed: Of the splits that are drawn.
        progress: Told how many cases are read, of how many.

    Raises:
        DefectsError: With every defect of the data set, as `segx check` lists them.
        DataError: If there is no data set, or none in a layout that segx knows.
    """
    if data.intensity == "auto" and data.window is None:
        # What auto would come to does not matter: the fingerprint decides.
        data = data.model_copy(update={"intensity": "percentile"})
    checked = check_data(data, task=task, seed=seed, progress=progress)
    splits, found = checked.refuse_defects()
    if checked.warnings:
        count, root = plural(len(checked.warnings), "warning"), checked.layout.root
        logger.warning("%s about the data: segx check %s lists them.", count, root)
    training = splits.train
    reader = CaseReader(
        channels=found.channels,
        dtype=np.dtype(found.dtype),
        mask_values=found.mask_values,
        axis=data.axis,
    )
    chosen = np.linspace(0, len(training) - 1, min(len(training), _LOOKS))
    looks = [look_at(training[round(index)], reader) for index in chosen.tolist()]
    return _summed_up(checked.layout, task, training, found, looks)


def _summed_up(
    layout: Layout,
    task: Task,
    training: Sequence[Case],
    found: Survey,
    looks: Sequence[Look],
) -> Fingerprint:
    """The numbers of a data set, from its survey and a few close looks."""
    low, high = _range(np.concatenate([look.pixels for look in looks]))
    width = (high - low) or 1.0
    unit = [(look.pixels.astype(np.float64) - low) / width for look in looks]
    spans = [end - start for start, end in (_range(look.pixels) for look in looks)]
    widths = [span for span in spans if span] or [1.0]
    marked = np.concatenate([look.foreground for look in looks])
    spacings = [look.spacing_mm for look in looks if look.spacing_mm is not None]
    masked = found.mask_values is not None
    return Fingerprint(
        task=task,
        cases=_given_splits(layout),
        labels=found.labels,
        class_names=found.labels.names if found.labels else layout.class_names or (),
        class_fractions=found.class_fractions,
        has_patients=all(case.patient is not None for case in layout.cases),
        dtype=found.dtype,
        channels=found.channels,
        sizes=tuple(found.extents[case.id] for case in training),
        planes=tuple(found.planes[case.id] for case in training),
        spacing_mm=_median_spacing(spacings),
        low=low,
        high=high,
        brightness=float(np.median(np.concatenate(unit))),
        colour=_colour(unit) if found.channels == 3 else None,
        scale_ratio=max(widths) / min(widths),
        foreground=_percentiles(marked, 5, 95) if len(marked) else None,
        thickness_px=_nine_in_ten(looks) if masked else None,
        upright=_upright([look.thumbnail for look in looks]),
        class_kind=layout.class_kind,
    )


def _given_splits(layout: Layout) -> dict[SplitName, int]:
    counts: dict[SplitName, int] = {"train": 0, "val": 0, "test": 0}
    for case in layout.cases:
        counts[case.split or "train"] += 1
    return counts


def _range(pixels: NDArray[Any]) -> tuple[float, float]:
    return _percentiles(pixels, 0.5, 99.5)


def _percentiles(pixels: NDArray[Any], *at: float) -> tuple[float, float]:
    low, high = np.percentile(pixels.astype(np.float64), at)
    return float(low), float(high)


def _median_spacing(
    spacings: Sequence[tuple[float, float, float]],
) -> tuple[float, float, float] | None:
    if not spacings:
        return None
    planes, rows, cols = np.median(spacings, axis=0).tolist()
    return planes, rows, cols


def _colour(unit: Sequence[NDArray[np.float64]]) -> float:
    """Mean over images of how far the channels of a pixel lie apart."""
    return float(np.mean([np.ptp(pixels.clip(0, 1), axis=1).mean() for pixels in unit]))


def _nine_in_ten(looks: Sequence[Look]) -> float:
    return float(np.percentile([look.thickness_px for look in looks], 90))


def _upright(thumbnails: Sequence[NDArray[np.float32]]) -> float | None:
    """Median loss of correlation with the mean of the others, upside down.

    Against the mirrored image, for neighbouring sections of a block resemble each other
    without being held in any way.
    """
    if len(thumbnails) < _FEWEST_POSES:
        return None
    total = np.sum(thumbnails, axis=0)
    losses = []
    for thumbnail in thumbnails:
        others = total - thumbnail
        norm = float(np.linalg.norm(others)) or 1.0
        loss = np.vdot(thumbnail[:, ::-1], others) - np.vdot(thumbnail[::-1], others)
        losses.append(float(loss) / norm)
    return float(np.median(losses))
