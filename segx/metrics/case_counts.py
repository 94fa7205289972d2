"""Counts of whole cases while training runs, in one process or many."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from segx.errors import DataError
from segx.labels import Labels
from segx.metrics.overlap import Counts, defined_mean, sum_counts

__all__ = ["CaseCounts", "CaseMeans"]

_UNSEEN = -1


class CaseMeans(NamedTuple):
    """Means over cases, nan left out; scalars, nan where nothing is defined.

    Args:
        dice: Mean of `class_dice`.
        iou: Mean of `class_iou`.
        class_dice: Mean over cases, by foreground class.
        class_iou: Mean over cases, by foreground class.
    """

    dice: Tensor
    iou: Tensor
    class_dice: dict[str, Tensor]
    class_iou: dict[str, Tensor]


class CaseCounts(Metric):
    """Integer counts of each case and class, kept by the case's index.

    A case that comes twice (a DistributedSampler fills its last round with repeats)
    is written twice and counted once, so neither the number of processes nor the
    batch size changes a mean. The counts of a volume are the sum over its planes.

    Args:
        cases: Number of cases that can come; their indices are 0 … cases - 1.
        labels: What the masks mean.
        planes: Number of planes of each case; by default they have one.

    Examples:
        >>> labels = Labels("binary", ("background", "cell"))
        >>> metric = CaseCounts(2, labels)
        >>> metric.update(0, {"cell": Counts(tp=10, fp=0, fn=0, tn=0)})
        >>> metric.update(1, {"cell": Counts(tp=5, fp=5, fn=5, tn=0)})
        >>> float(metric.compute().dice)
        0.75
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False

    counts: Tensor  # (planes of all cases, classes, 4), int64

    def __init__(
        self, cases: int, labels: Labels, *, planes: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        self.labels = labels
        self._bounds = list(itertools.accumulate(planes or (1,) * cases, initial=0))
        unseen = torch.full((self._bounds[-1], len(labels.foreground), 4), _UNSEEN)
        self.add_state("counts", default=unseen, dist_reduce_fx=_first_seen)

    def update(
        self, case: int, counts: Mapping[str, Counts], *, plane: int = 0
    ) -> None:
        """Write the counts of one plane of a case, by foreground class.

        Raises:
            DataError: If there is no such case or plane, or a class is missing.
        """
        names, cases = self.labels.foreground, len(self._bounds) - 1
        if not 0 <= case < cases or set(counts) != set(names):
            raise DataError(
                f"Counts of case {case} for {sorted(counts)} given; allowed are cases "
                f"0 … {cases - 1} with the classes {list(names)}."
            )
        row = self._bounds[case] + plane
        if not self._bounds[case] <= row < self._bounds[case + 1]:
            raise DataError(
                f"Counts of plane {plane} of case {case} given, which has "
                f"{self._bounds[case + 1] - self._bounds[case]}, counted from 0."
            )
        found = [counts[name] for name in names]
        values = [(count.tp, count.fp, count.fn, count.tn) for count in found]
        self.counts[row] = torch.tensor(values, device=self.counts.device)

    def compute(self) -> CaseMeans:
        """Means over the cases that came."""
        table = self.table()
        dice, iou = {}, {}
        for name in self.labels.foreground:
            dice[name] = defined_mean(case[name].dice for case in table.values())
            iou[name] = defined_mean(case[name].iou for case in table.values())
        return CaseMeans(
            self._scalar(defined_mean(dice.values())),
            self._scalar(defined_mean(iou.values())),
            {name: self._scalar(value) for name, value in dice.items()},
            {name: self._scalar(value) for name, value in iou.items()},
        )

    def table(self) -> dict[int, dict[str, Counts]]:
        """The counts of the cases that came, by index and class name."""
        names = self.labels.foreground
        planes = [
            {name: Counts(*row) for name, row in zip(names, rows, strict=True)}
            if rows[0][0] != _UNSEEN
            else {}
            for rows in self.counts.tolist()
        ]
        table = {
            case: sum_counts(planes[start:end])
            for case, (start, end) in enumerate(itertools.pairwise(self._bounds))
        }
        return {case: counts for case, counts in table.items() if counts}

    def _scalar(self, value: float) -> Tensor:
        return torch.tensor(value, device=self.counts.device)


def _first_seen(gathered: Tensor) -> Tensor:
    """Each plane from the first process that saw it.

    Args:
        gathered: Counts of every process, (world, planes, classes, 4).

    Returns:
        (planes, classes, 4); `_UNSEEN` where no process saw a plane.
    """
    seen = (gathered[:, :, 0, 0] != _UNSEEN).to(torch.int8)  # (world, planes)
    planes = torch.arange(gathered.shape[1], device=gathered.device)
    return gathered[seen.argmax(dim=0), planes]
