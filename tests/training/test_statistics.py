"""Batch-norm statistics: an even mean at first, then as the layer says."""

from typing import Any

import pytest
import torch
from torch import nn

from segx.training.statistics import FairStatistics


def follow(layer: nn.BatchNorm1d, batches: list[torch.Tensor]) -> None:
    """Train a layer on batches, as Lightning would call."""
    callback, nobody = FairStatistics(), Any
    module: Any = nn.ModuleList([layer])
    callback.on_train_start(nobody, module)  # type: ignore[arg-type]
    for index, batch in enumerate(batches):
        callback.on_train_batch_start(nobody, module, batch, index)  # type: ignore[arg-type]
        layer(batch)


def some_batches(count: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return [3 + 0.05 * torch.randn(16, 2, generator=random) for _ in range(count)]


@pytest.mark.parametrize("count", [1, 2, 10])
def test_the_first_batches_are_averaged_evenly(count: int) -> None:
    layer, batches = nn.BatchNorm1d(2), some_batches(count)
    follow(layer, batches)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    means = torch.stack([batch.mean(0) for batch in batches])
    variances = torch.stack([batch.var(0) for batch in batches])
    torch.testing.assert_close(layer.running_mean, means.mean(0))
    torch.testing.assert_close(layer.running_var, variances.mean(0))


def test_a_small_variance_is_not_hidden_by_where_it_began() -> None:
    fair, plain = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    batches = some_batches(40)
    follow(fair, batches)
    for batch in batches:
        plain(batch)
    assert fair.running_var is not None
    assert plain.running_var is not None
    torch.testing.assert_close(
        fair.running_var, torch.full((2,), 0.0025), rtol=0.3, atol=0
    )
    assert (plain.running_var > 4 * fair.running_var).all()
    assert fair.momentum == plain.momentum


@pytest.mark.parametrize("is_counted", [True, False])
def test_trained_statistics_are_kept(is_counted: bool) -> None:
    trained, fair = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    for layer in (trained, fair):
        for _ in range(30):
            layer(torch.randn(16, 2, generator=torch.Generator().manual_seed(1)))
        assert layer.num_batches_tracked is not None
        layer.num_batches_tracked *= is_counted  # Keras stores no count
    batches = some_batches(5)
    follow(fair, batches)
    for batch in batches:
        trained(batch)
    for name in ("running_mean", "running_var"):
        assert torch.equal(fair.state_dict()[name], trained.state_dict()[name]), name
