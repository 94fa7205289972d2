"""Scores over whole cases depend neither on batches nor on what comes twice."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segx.errors import DataError
from segx.labels import UNKNOWN, Labels
from segx.metrics.case_classes import CaseClasses

ONE = Labels("multiclass", ("a", "b", "c"))
SEVERAL = Labels("multilabel", ("a", "b", "c"))


def scores(metric: CaseClasses, order: torch.Tensor, batch: int) -> dict[str, float]:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 3, generator=random)
    one = torch.arange(20) % 3
    several = (torch.randn(20, 3, generator=random) > 0).long()
    several[3, 1] = UNKNOWN
    truth = several if metric.labels.kind == "multilabel" else one
    for part in order.split(batch):
        metric.update(part, logits[part], truth[part])
    return metric.compute()


@pytest.mark.parametrize("labels", [ONE, SEVERAL])
@given(seed=st.integers(0, 99), batch=st.integers(1, 20))
def test_order_batches_and_repeats_change_nothing(
    labels: Labels, seed: int, batch: int
) -> None:
    order = torch.randperm(20, generator=torch.Generator().manual_seed(seed))
    repeated = torch.cat([order, order[:3]])
    expected = scores(CaseClasses(20, labels), torch.arange(20), 20)
    assert scores(CaseClasses(20, labels), repeated, batch) == expected
    assert 0 <= expected["accuracy"] <= 1


@pytest.mark.parametrize("labels", [ONE, SEVERAL])
def test_two_processes_count_as_one(labels: Labels) -> None:
    halves = [CaseClasses(20, labels) for _ in range(2)]
    for metric, part in zip(halves, torch.arange(20).split(11), strict=True):
        scores(metric, part, 4)
    for name, reduce in halves[0]._reductions.items():
        assert callable(reduce)
        stacked = torch.stack([getattr(metric, name) for metric in halves])
        setattr(halves[0], name, reduce(stacked))
    halves[0]._computed = None
    expected = scores(CaseClasses(20, labels), torch.arange(20), 20)
    assert halves[0].compute() == expected


def test_a_case_without_a_number_makes_no_score_of_the_others() -> None:
    metric = CaseClasses(3, ONE)
    logits = torch.tensor([[1.0, 0, 0], [torch.nan, 0, 0]])
    metric.update(torch.arange(2), logits, torch.tensor([0, 1]))
    assert all(math.isnan(value) for value in metric.compute().values())
    assert (
        metric.compute().keys()
        == scores(CaseClasses(20, ONE), torch.arange(20), 5).keys()
    )


@pytest.mark.parametrize("labels", [ONE, SEVERAL])
def test_what_is_kept_fits_on_any_device(labels: Labels) -> None:
    """Apple's GPUs, for one, have no float64."""
    metric = CaseClasses(2, labels)
    assert {getattr(metric, name).dtype for name in metric._defaults} == {torch.float32}


def test_no_case_has_no_score_and_a_strange_one_is_refused() -> None:
    metric = CaseClasses(2, ONE)
    nothing = torch.arange(0)
    metric.update(nothing, torch.zeros(0, 3), nothing)
    assert all(math.isnan(value) for value in metric.compute().values())
    with pytest.raises(DataError, match=r"0 … 1"):
        metric.update(torch.tensor([2]), torch.zeros(1, 3), torch.tensor([0]))
