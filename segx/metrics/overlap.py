"""Integer counts of right and wrong pixels, and the ratios that are made of them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segx.errors import DataError
from segx.labels import Labels

__all__ = [
    "Counts",
    "class_masks",
    "count_overlap",
    "counts_of",
    "defined_mean",
    "overlap_table",
    "sum_counts",
]


@dataclass(frozen=True, slots=True)
class Counts:
    """Pixels of one class in one case, by truth and prediction; ignored ones are out.

    A ratio is nan where its denominator is 0: Dice and IoU if the class is neither in
    the truth nor in the prediction, sensitivity if it is not in the truth, precision
    if it is not in the prediction.

    Args:
        tp: True positive pixels.
        fp: False positive pixels.
        fn: False negative pixels.
        tn: True negative pixels.

    Examples:
        >>> Counts(tp=5, fp=5, fn=5, tn=0).dice
        0.5
        >>> Counts(tp=0, fp=1, fn=0, tn=9).dice, Counts(tp=0, fp=0, fn=0, tn=9).dice
        (0.0, nan)
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def dice(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> float:
        """TP / (TP + FP + FN)."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def sensitivity(self) -> float:
        """TP / (TP + FN)."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP)."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def volume_error(self) -> float:
        """(P - G) / G = (FP - FN) / (TP + FN): 0.1 is a tenth too much."""
        return _ratio(self.fp - self.fn, self.tp + self.fn)

    def __add__(self, other: "Counts") -> "Counts":
        """Counts of both together: two bands of a scan, or a pool of cases."""
        return Counts(
            self.tp + other.tp,
            self.fp + other.fp,
            self.fn + other.fn,
            self.tn + other.tn,
        )


def count_overlap(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], labels: Labels
) -> dict[str, Counts]:
    """Count right and wrong pixels of each foreground class.

    Args:
        truth: Class ids (rows, cols), or 0/1 planes (rows, cols, K) for multilabel;
            pixels (of a plane) equal to `labels.ignore_index` are left out.
        predicted: The same shape; what it says of an ignored pixel is not looked at.
        labels: What the numbers mean.

    Returns:
        Counts by class name, the background excluded, in the order of the names.

    Raises:
        DataError: If the shapes differ or a value that counts is no class.
    """
    return counts_of(overlap_table(truth, predicted, labels), labels)


def overlap_table(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], labels: Labels
) -> NDArray[np.int64]:
    """Pixels by true and predicted class; tables of parts of a case add up.

    Arguments and errors as of `count_overlap`.

    Returns:
        A row a true id and a column a predicted one, (K, K); for multilabel masks a
        table of 0 and 1 for each class, (K, 2, 2).
    """
    _check_shapes(truth, predicted, labels)
    if labels.kind != "multilabel":
        return _confusion(truth, predicted, labels, classes=len(labels.names))
    return np.stack(
        [
            _confusion(truth[..., k], predicted[..., k], labels, classes=2)
            for k in range(len(labels.names))
        ]
    )


def counts_of(table: NDArray[np.int64], labels: Labels) -> dict[str, Counts]:
    """Counts of each foreground class, from what `overlap_table` gave."""
    if labels.kind == "multilabel":
        return {
            name: _one_against_rest(part, 1)
            for name, part in zip(labels.names, table, strict=True)
        }
    return {
        name: _one_against_rest(table, index)
        for index, name in enumerate(labels.names)
        if index > 0
    }


def sum_counts(parts: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Counts of all parts of a case together, by class name, such as a volume's planes.

    Examples:
        >>> sum_counts([{"cell": Counts(1, 0, 0, 3)}, {"cell": Counts(2, 1, 0, 1)}])
        {'cell': Counts(tp=3, fp=1, fn=0, tn=4)}
    """
    total: dict[str, Counts] = {}
    for part in parts:
        for name, counts in part.items():
            total[name] = total[name] + counts if name in total else counts
    return total


def class_masks(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], labels: Labels
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Truth and prediction of each foreground class; ignored pixels are in neither.

    Args:
        truth: Ids, shape (…, rows, cols), or 0/1 planes with a last axis for the
            classes of multilabel masks.
        predicted: The same shape.
        labels: What the numbers mean.

    Yields:
        One pair a class, each of shape (…, rows, cols).
    """
    if labels.kind == "multilabel":
        planes = range(len(labels.names))
        parts = [(truth[..., k], predicted[..., k], 1) for k in planes]
    else:
        ids = range(1, len(labels.names))
        parts = [(truth, predicted, index) for index in ids]
    for true_part, predicted_part, index in parts:
        counted = true_part != labels.ignore_index
        yield true_part == index, (predicted_part == index) & counted


def defined_mean(values: Iterable[float]) -> float:
    """Mean of the values that are not nan; nan if there is none.

    Examples:
        >>> defined_mean([1.0, float("nan"), 0.0])
        0.5
    """
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.nan


def _confusion(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    labels: Labels,
    *,
    classes: int,
) -> NDArray[np.int64]:
    """Pixels by (truth, prediction), (classes, classes)."""
    if labels.ignore_index is not None:
        counted = truth != labels.ignore_index
        truth, predicted = truth[counted], predicted[counted]
    for name, ids in (("truth", truth), ("prediction", predicted)):
        _check_ids(name, ids, labels, classes=classes)
    pairs = truth.ravel().astype(np.int64) * classes + predicted.ravel()
    table = np.bincount(pairs, minlength=classes * classes)
    return table.reshape(classes, classes)


def _one_against_rest(table: NDArray[np.int64], index: int) -> Counts:
    tp = int(table[index, index])
    fp = int(table[:, index].sum()) - tp
    fn = int(table[index].sum()) - tp
    return Counts(tp, fp, fn, int(table.sum()) - tp - fp - fn)


def _check_shapes(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], labels: Labels
) -> None:
    planes = (len(labels.names),) if labels.kind == "multilabel" else ()
    if (
        truth.shape != predicted.shape
        or truth.ndim != 2 + len(planes)
        or (planes and truth.shape[2:] != planes)
    ):
        wanted = f"(rows, cols, {planes[0]})" if planes else "(rows, cols)"
        raise DataError(
            f"A truth of shape {truth.shape} and a prediction of shape "
            f"{predicted.shape} can't be compared; for a {labels.kind} mask both must "
            f"have one shape {wanted}. Bring the prediction to the truth's size first."
        )


def _check_ids(
    name: str, ids: NDArray[np.integer], labels: Labels, *, classes: int
) -> None:
    if ids.size and (ids.min() < 0 or ids.max() >= classes):
        raise DataError(
            f"The {name} holds values {ids.min()} … {ids.max()}; allowed for a "
            f"{labels.kind} mask of {list(labels.names)} are 0 … {classes - 1}, and in "
            f"the truth the ignore index ({labels.ignore_index}). Map 0/255 to 0/1."
        )
