"""Two losses are summed by their weights; learned ones settle where they should."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segx.errors import ConfigError
from segx.losses import TaskBalance

POSITIVE = st.floats(0.01, 100)


@given(masks=POSITIVE, classes=POSITIVE, first=POSITIVE, second=POSITIVE)
def test_fixed_weights_scale(
    masks: float, classes: float, first: float, second: float
) -> None:
    balance = TaskBalance(mask_weight=first, class_weight=second)
    value = balance(torch.tensor(masks), torch.tensor(classes))
    assert float(value) == pytest.approx(first * masks + second * classes, rel=1e-5)
    assert list(balance.parameters()) == []


@pytest.mark.parametrize("learned", [False, True])
def test_a_missing_loss_has_no_part(learned: bool) -> None:
    balance = TaskBalance(mask_weight=2, class_weight=3, learned=learned)
    value = balance(torch.tensor(5.0), None)
    assert float(value.detach()) == 10
    if balance.log_variances is not None:
        value.backward()
        assert balance.log_variances.grad is not None
        assert balance.log_variances.grad[1] == 0
        assert balance.log_variances.grad[0] != 0


@given(masks=POSITIVE, classes=POSITIVE)
def test_a_learned_weight_rests_where_it_is_one_over_twice_the_loss(
    masks: float, classes: float
) -> None:
    balance = TaskBalance(learned=True)
    assert balance.log_variances is not None
    losses = torch.tensor([masks, classes])
    with torch.no_grad():
        balance.log_variances.copy_((2 * losses).log())
    balance(*losses).backward()
    assert balance.log_variances.grad is not None
    assert balance.log_variances.grad.abs().max() < 1e-5
    weights = torch.exp(-balance.log_variances.detach())
    torch.testing.assert_close(weights, 1 / (2 * losses))


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match="class_weight"):
        TaskBalance(class_weight=weight)
