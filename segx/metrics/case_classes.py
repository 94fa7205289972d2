"""Class probabilities of whole cases while training runs, in one process or many."""

import math

import torch
from torch import Tensor
from torchmetrics import Metric

from segx.errors import DataError
from segx.labels import UNKNOWN, Labels
from segx.metrics.classification import (
    THRESHOLD,
    ClassificationScores,
    classification_scores,
)
from segx.metrics.overlap import defined_mean

__all__ = ["CaseClasses"]


class CaseClasses(Metric):
    """Probabilities and truth of each case, kept by its index until all are there.

    As with `CaseCounts`, a case that comes twice is counted once: neither the number of
    processes nor the batch size changes a score.

    Args:
        cases: Number of cases that can come; their indices are 0 … cases - 1.
        labels: What the classes are: multiclass or multilabel.

    Examples:
        >>> metric = CaseClasses(2, Labels("multiclass", ("ill", "well")))
        >>> truth = torch.tensor([0, 1])
        >>> metric.update(torch.arange(2), torch.tensor([[2.0, 0], [0, 0.5]]), truth)
        >>> metric.compute()["accuracy"]
        1.0
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False

    # float32, for not every device has more.
    logits: Tensor  # (cases, classes)
    truths: Tensor  # (cases,) or (cases, classes); nan where no case came

    def __init__(self, cases: int, labels: Labels) -> None:
        super().__init__()
        self.labels = labels
        self._several = labels.kind == "multilabel"
        unseen = torch.full((cases, len(labels.names)), torch.nan)
        truths = unseen if self._several else unseen[:, 0]
        self.add_state("logits", unseen.clone(), dist_reduce_fx=_first_seen)
        self.add_state("truths", truths.clone(), dist_reduce_fx=_first_seen)

    def update(self, case: Tensor, logits: Tensor, truth: Tensor) -> None:
        """Keep what was predicted for a batch.

        Args:
            case: Index of each case, (B,).
            logits: (B, K), any float type.
            truth: Class ids, (B,); multilabel 0, 1 or `UNKNOWN`, (B, K).

        Raises:
            DataError: If there is no such case.
        """
        if len(case) and not 0 <= int(case.min()) <= int(case.max()) < len(self.truths):
            raise DataError(
                f"Classes of the cases {case.tolist()} given; allowed are 0 … "
                f"{len(self.truths) - 1}."
            )
        self.logits[case] = logits.float()
        self.truths[case] = truth.float()

    def compute(self) -> dict[str, float]:
        """The scores over the cases that came, by name.

        All are nan if none came, or the network gave a case no number.
        """
        kept = self.truths.cpu()
        came = ~kept.reshape(len(kept), -1).isnan().any(dim=1)
        exact = self.logits.cpu()[came].double()
        if not came.any() or exact.isnan().any():
            return self.unknown()
        found = exact.sigmoid() if self._several else exact.softmax(dim=1)
        probabilities, truths = found.numpy(), kept[came].long().numpy()
        if self._several:
            right = ((probabilities >= THRESHOLD) == (truths == 1))[truths != UNKNOWN]
        else:
            right = probabilities.argmax(axis=1) == truths
        scores = classification_scores(truths, probabilities)
        accuracy = defined_mean(right.astype(float))
        return {"accuracy": accuracy, **scores._asdict()}

    @staticmethod
    def unknown() -> dict[str, float]:
        """The scores, by name, where none can be told."""
        return dict.fromkeys(("accuracy", *ClassificationScores._fields), math.nan)


def _first_seen(gathered: Tensor) -> Tensor:
    """Each case from the first process that saw it.

    Args:
        gathered: Values of every process, (world, cases, ...).
    """
    merged = gathered[0]
    for values in gathered[1:]:
        merged = torch.where(merged.isnan(), values, merged)
    return merged
