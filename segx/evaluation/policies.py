"""What other tools would say of the same counts: their Dice, by name."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Literal, NamedTuple, get_args

from segx.evaluation.cases import CaseRow
from segx.evaluation.summary import rows_by_class
from segx.metrics.overlap import Counts, defined_mean

__all__ = ["POLICIES", "PolicyDice", "PolicyName", "dice_by_policy"]

PolicyName = Literal["segx", "monai", "nnunet", "smp", "pooled"]

POLICIES: tuple[PolicyName, ...] = get_args(PolicyName)
"""Names of the policies."""


@dataclass(frozen=True, slots=True)
class PolicyDice:
    """The same counts, aggregated as another tool does it.

    Args:
        policy: Its name.
        meaning: In words, what it does with empty truths and with classes.
        foreground: What the tool would report as its one number.
        classes: Name and Dice of each class.
    """

    policy: PolicyName
    meaning: str
    foreground: float
    classes: tuple[tuple[str, float], ...]


def dice_by_policy(rows: Iterable[CaseRow], policy: PolicyName) -> PolicyDice:
    """Aggregate rows as a tool does it.

    Args:
        rows: One row a case and class.
        policy: Whose way.

    Raises:
        DataError: If there is no row, or a case has a class twice or lacks one.

    Examples:
        >>> four = [(10, 0, 0), (5, 5, 5), (0, 0, 0), (0, 1, 0)]
        >>> rows = [
        ...     CaseRow(str(i), None, "cell", Counts(*count, 0))
        ...     for i, count in enumerate(four)
        ... ]
        >>> {name: round(dice_by_policy(rows, name).foreground, 3) for name in POLICIES}
        {'segx': 0.5, 'monai': 0.75, 'nnunet': 0.5, 'smp': 0.625, 'pooled': 0.732}
    """
    by_class = rows_by_class(rows)
    meaning, function = _POLICIES[policy]
    columns = [[row.counts for row in cases] for cases in by_class.values()]
    return PolicyDice(
        policy,
        meaning,
        foreground=function(columns),
        classes=tuple(
            (name, function([column]))
            for name, column in zip(by_class, columns, strict=True)
        ),
    )


def _segx(columns: Sequence[Sequence[Counts]]) -> float:
    return defined_mean(
        defined_mean(case.dice for case in column) for column in columns
    )


def _nnunet(columns: Sequence[Sequence[Counts]]) -> float:
    means = [defined_mean(case.dice for case in column) for column in columns]
    return math.fsum(means) / len(means)


def _monai(columns: Sequence[Sequence[Counts]]) -> float:
    cases = zip(*columns, strict=True)
    return defined_mean(
        defined_mean(count.dice for count in case if count.tp + count.fn)
        for case in cases
    )


def _smp(columns: Sequence[Sequence[Counts]]) -> float:
    together = [reduce(add, case) for case in zip(*columns, strict=True)]
    scores = [1.0 if math.isnan(case.dice) else case.dice for case in together]
    return math.fsum(scores) / len(scores)


def _pooled(columns: Sequence[Sequence[Counts]]) -> float:
    return defined_mean(reduce(add, column).dice for column in columns)


class _Policy(NamedTuple):
    meaning: str
    function: Callable[[Sequence[Sequence[Counts]]], float]


_POLICIES: dict[PolicyName, _Policy] = {
    "segx": _Policy(
        "mean over cases, then over classes; empty truth and prediction left out "
        "(torchmetrics: samplewise)",
        _segx,
    ),
    "monai": _Policy(
        "DiceMetric as it comes: cases with an empty truth are left out, false "
        "positives in them too; mean over the classes of a case, then over cases",
        _monai,
    ),
    "nnunet": _Policy(
        "nan-mean over cases, then the mean over classes: nan if one is never there",
        _nnunet,
    ),
    "smp": _Policy(
        "f1_score, reduction micro-imagewise, of the foreground: counts of all classes "
        "of a case added up, 1 for empty truth and prediction, mean over cases (for "
        "one class also MONAI with ignore_empty=False)",
        _smp,
    ),
    "pooled": _Policy(
        "the pixels of all cases as one, then the mean over classes (dice_global; for "
        "one class smp with reduction micro; torchmetrics: global)",
        _pooled,
    ),
}
