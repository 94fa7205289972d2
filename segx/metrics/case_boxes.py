"""Boxes of whole cases while training runs: mean average precision by torchmetrics."""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from segx.errors import MissingExtraError
from segx.extras import install_extra
from segx.metrics.boxes import IOU_THRESHOLDS, RECALLS

__all__ = ["MOST_BOXES", "BoxScores", "CaseBoxes", "check_counting"]

MOST_BOXES = 10_000
"""Most boxes of a class in a case that count; COCO's 100 are too few for cells."""


def check_counting() -> None:
    """Refuse to find boxes where nothing can score them.

    Raises:
        MissingExtraError: With what to install.
    """
    if find_spec("pycocotools") is None:
        raise MissingExtraError(
            "Boxes are scored by mean average precision, which needs a package that is "
            f"not installed. Install it: {install_extra('detection')}"
        )


class BoxScores(NamedTuple):
    """Mean average precision, nan where there is no true object.

    Args:
        map: Mean over the classes and the overlaps 0.5, 0.55, … 0.95.
        map50: Mean over the classes at an overlap of 0.5.
        map75: Likewise at 0.75.
        classes: The first of them for each class, by name.
        classes50: The second.
        classes75: The third.
    """

    map: float
    map50: float
    map75: float
    classes: dict[str, float]
    classes50: dict[str, float]
    classes75: dict[str, float]


class CaseBoxes(MeanAveragePrecision):
    """Gathers found and true boxes case by case, those of this process alone.

    Args:
        names: Names of the classes without the background; the first has id 1.

    Examples:
        >>> metric = CaseBoxes(["cell"])
        >>> box, one = torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([1])
        >>> found = {"boxes": box, "labels": one, "scores": torch.tensor([0.7])}
        >>> metric.update([found], [{"boxes": box, "labels": one}])
        >>> round(metric.scores().map50, 3)
        1.0
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            box_format="xyxy",
            # COCO's own: torchmetrics rounds them, and 4 of 5 would not reach 0.8.
            iou_thresholds=list(IOU_THRESHOLDS),
            rec_thresholds=list(RECALLS),
            max_detection_thresholds=[1, 100, MOST_BOXES],
            extended_summary=True,
            sync_on_compute=False,
        )
        self.warn_on_many_detections = False
        self.names = tuple(names)

    def scores(self) -> BoxScores:
        """What `compute` gives of all cases that came, in short."""
        found = self.compute()
        if "precision" not in found:  # neither a true nor a found box
            nan, undefined = math.nan, dict.fromkeys(self.names, math.nan)
            return BoxScores(nan, nan, nan, undefined, undefined, undefined)
        # (overlaps, recalls, classes, areas, most boxes); -1 without a true object.
        precision = found["precision"][:, :, :, 0, -1].mean(dim=1)
        of_class = dict(
            zip(found["classes"].reshape(-1).tolist(), precision.T, strict=True)
        )
        nothing = torch.full((len(precision),), -1.0)
        rows = [of_class.get(i, nothing) for i in range(1, 1 + len(self.names))]
        table = torch.stack([row.double() for row in rows])  # (classes, overlaps)
        present = table[table[:, 0] >= 0]
        return BoxScores(
            map=float(present.mean()),
            map50=float(present[:, 0].mean()),
            map75=float(present[:, 5].mean()),
            classes=dict(zip(self.names, map(_mean, table), strict=True)),
            classes50=dict(zip(self.names, map(_mean, table[:, :1]), strict=True)),
            classes75=dict(zip(self.names, map(_mean, table[:, 5:6]), strict=True)),
        )


def _mean(values: Tensor) -> float:
    """Of one class, nan where it has no true object."""
    return float(values.mean()) if bool(values.ge(0).all()) else math.nan
