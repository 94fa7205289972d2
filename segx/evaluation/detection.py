"""One row an image, and the scores of found boxes over all of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from segx.boxes import Detections
from segx.errors import DataError
from segx.evaluation.bootstrap import Estimate, Resampling, mean_of_defined
from segx.evaluation.provenance import Provenance
from segx.metrics.boxes import (
    IOU_THRESHOLDS,
    box_precision,
    match_boxes,
    taken_boxes,
)
from segx.metrics.case_boxes import MOST_BOXES, BoxScores, CaseBoxes

__all__ = [
    "DETECTION_POLICY",
    "BoxCounts",
    "BoxEstimates",
    "DetectedCase",
    "DetectedClass",
    "DetectionSummary",
    "box_scores",
    "summarise_detected",
]

DETECTION_POLICY = (
    "Boxes of whole images at their own size. ap is COCO's average precision of a "
    "class (101 recalls), the mean of those at an overlap (intersection over union) of "
    "0.5, 0.55, … 0.95; ap50 and ap75 are those at 0.5 and 0.75; map, map50 and map75 "
    "are plain means over classes, undefined ones (no true object) left out. All boxes "
    f"count that the detector tells, up to {MOST_BOXES} of a class in an image. Counts "
    "are of boxes with at least the score threshold: each takes, the best first, the "
    "true box of its class that it covers best, if by 0.5 or more: found; true boxes "
    "left over are missed, boxes left over false. sensitivity is found / objects, "
    "precision found / (found + false), means over the images where they are defined. "
    "Intervals: 95 %, patients drawn anew 2000 times."
)
"""What the numbers mean; written and printed beside them."""

_COLUMN = {"ap50": 0, "ap75": 5}
_MOST_VALUES = 2**22
"""Weights of boxes that are held at once: 32 MB an array."""


@dataclass(frozen=True)
class DetectedCase:
    """What was found in one image, and what is true there.

    Args:
        case: Name of the case.
        patient: Whom it is of; None if unknown.
        found: All boxes that the detector tells.
        truth: The true objects.
    """

    case: str
    patient: str | None
    found: Detections
    truth: Detections

    @property
    def cluster(self) -> str:
        """What cases of one patient share; a case of an unknown one is its own."""
        if self.patient is None:
            return f"case {self.case}"
        return f"patient {self.patient}"

    def counted(self, threshold: float, classes: Sequence[int]) -> "BoxCounts":
        """Found, missed and false boxes of some classes; see `DETECTION_POLICY`."""
        found, missed, false = (
            int(np.isin(item.classes, classes).sum())
            for item in self.verdicts(threshold)
        )
        return BoxCounts(found + missed, found, missed, false)

    def verdicts(self, threshold: float) -> tuple[Detections, Detections, Detections]:
        """The boxes that are right, the true ones that are missed, and false boxes."""
        sure = self.found.taken(self.found.scores >= threshold)
        sure = sure.taken(np.argsort(-sure.scores, kind="stable"))
        is_right = np.zeros(len(sure), np.bool_)
        is_missed = np.ones(len(self.truth), np.bool_)
        for index in np.unique(sure.classes):
            mine = np.flatnonzero(sure.classes == index)
            real = np.flatnonzero(self.truth.classes == index)
            taken = taken_boxes(sure.boxes[mine], self.truth.boxes[real])
            is_right[mine[taken >= 0]] = True
            is_missed[real[taken[taken >= 0]]] = False
        return sure.taken(is_right), self.truth.taken(is_missed), sure.taken(~is_right)


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """True boxes of an image, and which of them were found; and false ones."""

    objects: int
    found: int
    missed: int
    false: int

    @property
    def sensitivity(self) -> float:
        """Share of the objects that was found; nan without one."""
        return self.found / self.objects if self.objects else np.nan

    @property
    def precision(self) -> float:
        """Share of the boxes that are right; nan without one."""
        told = self.found + self.false
        return self.found / told if told else np.nan


@dataclass(frozen=True, slots=True)
class BoxEstimates:
    """The headline, and what the score threshold makes of it.

    Args:
        map: Mean over the classes of `DetectedClass.ap`.
        map50: Likewise of ap50.
        map75: Likewise of ap75.
        sensitivity: Share of an image's objects that was found.
        precision: Share of an image's boxes that are right.
    """

    map: Estimate
    map50: Estimate
    map75: Estimate
    sensitivity: Estimate
    precision: Estimate


@dataclass(frozen=True, slots=True)
class DetectedClass:
    """The boxes of one class.

    Args:
        name: Name of the class.
        counts: Over all images, at the score threshold.
        n_images: Number of images with an object of it.
        ap: Average precision, the mean over the overlaps.
        ap50: At an overlap of 0.5.
        ap75: At an overlap of 0.75.
    """

    name: str
    counts: BoxCounts
    n_images: int
    ap: Estimate
    ap50: Estimate
    ap75: Estimate


@dataclass(frozen=True, slots=True)
class DetectionSummary:
    """Scores over all images.

    Args:
        scores: The headline.
        classes: Each class by itself.
        counts: Over all images and classes, at the score threshold.
        n_cases: Number of images.
        n_patients: Number of patients; a case of an unknown one counts as its own.
        score_threshold: Least score of a box that is counted.
        provenance: How the numbers came about; None where that is not known.
    """

    scores: BoxEstimates
    classes: tuple[DetectedClass, ...]
    counts: BoxCounts
    n_cases: int
    n_patients: int
    score_threshold: float
    provenance: Provenance | None = None


def summarise_detected(
    cases: Sequence[DetectedCase],
    *,
    class_names: Sequence[str],
    score_threshold: float,
    provenance: Provenance | None = None,
) -> DetectionSummary:
    """Score all images; their order changes nothing.

    Args:
        cases: What was found.
        class_names: Names of the classes without the background; the first has id 1.
        score_threshold: Least score of a box that is counted as found or false.
        provenance: See `DetectionSummary`.

    Raises:
        DataError: If there is no case, or one is there twice.
    """
    _check(cases)
    cases = sorted(cases, key=lambda case: case.case)
    ids = range(1, 1 + len(class_names))
    resampling = Resampling([case.cluster for case in cases])
    ranked = [_Ranked(cases, i) for i in ids]
    draws = _draws(ranked, resampling)
    values = _values(cases, class_names)
    everyone = np.ones(len(cases), np.bool_)

    def estimate(name: str, index: int | None) -> Estimate:
        """A score of a class, or the mean of all classes."""
        rows = draws if index is None else draws[:, index : index + 1]
        column = _COLUMN.get(name.removeprefix("m"))
        of_class = rows.mean(axis=2) if column is None else rows[:, :, column]
        value = values[name if index is None else f"{name} {class_names[index]}"]
        return resampling.estimate(value, mean_of_defined(of_class), counted=everyone)

    counts = [case.counted(score_threshold, ids) for case in cases]
    return DetectionSummary(
        scores=BoxEstimates(
            map=estimate("map", None),
            map50=estimate("map50", None),
            map75=estimate("map75", None),
            sensitivity=resampling.mean(np.array([c.sensitivity for c in counts])),
            precision=resampling.mean(np.array([c.precision for c in counts])),
        ),
        classes=tuple(
            DetectedClass(
                name,
                _sum([case.counted(score_threshold, [index + 1]) for case in cases]),
                int(np.count_nonzero(ranked[index].truths)),
                *(estimate(score, index) for score in ("ap", "ap50", "ap75")),
            )
            for index, name in enumerate(class_names)
        ),
        counts=_sum(counts),
        n_cases=len(cases),
        n_patients=resampling.n_patients,
        score_threshold=score_threshold,
        provenance=provenance,
    )


class _Ranked:
    """All boxes of a class, the best first, and which of them are hits.

    Attributes:
        case: Index of each box's case, (n,).
        hits: At each overlap, (n, overlaps).
        truths: Number of true boxes in each case, (cases,).
    """

    def __init__(self, cases: Sequence[DetectedCase], index: int) -> None:
        found = [case.found.taken(case.found.classes == index) for case in cases]
        truth = [_of(case.truth, index) for case in cases]
        scores = np.concatenate([item.scores for item in found])
        order = np.argsort(-scores, kind="stable")
        pairs = zip(found, truth, strict=True)
        hits = [match_boxes(_of(item, index), true) for item, true in pairs]
        self.case = np.repeat(np.arange(len(cases)), [len(item) for item in found])
        self.case = self.case[order]
        self.hits = np.vstack(hits)[order]
        self.truths = np.array([len(item) for item in truth], np.float64)


def _draws(ranked: Sequence[_Ranked], resampling: Resampling) -> NDArray[np.float64]:
    """Average precision in each draw of patients, (draws, classes, overlaps)."""

    def scores(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = np.full((len(weights), len(ranked), len(IOU_THRESHOLDS)), np.nan)
        for column, item in enumerate(ranked):
            for part in _parts(len(weights), len(item.case)):
                of_boxes = weights[part][:, item.case]
                truths = weights[part] @ item.truths
                for level, hits in enumerate(item.hits.T):
                    found[part, column, level] = box_precision(hits, of_boxes, truths)
        return found

    return resampling.statistic(scores)[1]


def _parts(draws: int, boxes: int) -> Iterator[slice]:
    """So many draws at a time that their boxes fit in memory."""
    step = max(1, _MOST_VALUES // max(1, boxes))
    return (slice(first, first + step) for first in range(0, draws, step))


def _values(
    cases: Sequence[DetectedCase], class_names: Sequence[str]
) -> Mapping[str, float]:
    """The scores themselves, by name and class."""
    scores = box_scores([(case.found, case.truth) for case in cases], class_names)
    values = {"map": scores.map, "map50": scores.map50, "map75": scores.map75}
    for name in class_names:
        values[f"ap {name}"] = scores.classes[name]
        values[f"ap50 {name}"] = scores.classes50[name]
        values[f"ap75 {name}"] = scores.classes75[name]
    return values


def box_scores(
    cases: Iterable[tuple[Detections, Detections]], class_names: Sequence[str]
) -> BoxScores:
    """Mean average precision, as torchmetrics counts it.

    Args:
        cases: What was found in each case, and what is true there.
        class_names: Names of the classes without the background; the first has id 1.
    """
    metric = CaseBoxes(class_names)
    for pair in cases:
        found, truth = (
            {
                "boxes": torch.from_numpy(item.boxes),
                "labels": torch.from_numpy(item.classes),
                "scores": torch.from_numpy(item.scores),
            }
            for item in pair
        )
        metric.update([found], [truth])
    return metric.scores()


def _of(objects: Detections, index: int) -> NDArray[np.float32]:
    """The boxes of a class, the best first."""
    chosen = objects.taken(objects.classes == index)
    return chosen.boxes[np.argsort(-chosen.scores, kind="stable")]


def _sum(counts: Sequence[BoxCounts]) -> BoxCounts:
    return BoxCounts(
        *(
            sum(getattr(item, name) for item in counts)
            for name in ("objects", "found", "missed", "false")
        )
    )


def _check(cases: Sequence[DetectedCase]) -> None:
    if not cases:
        raise DataError("No image was given; the scores are over at least one.")
    twice = [name for name, n in Counter(case.case for case in cases).items() if n > 1]
    if twice:
        raise DataError(
            f"{len(twice)} cases are there twice ({twice[0]!r}, …). Give each case its "
            "own name, or remove the repeated row."
        )
