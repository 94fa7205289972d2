"""The rate rises, falls and ends at 0; decay spares biases; averages follow."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from segx.config import Choice
from segx.errors import ConfigError
from segx.training.optim import Schedule, average_of, build_optimizer
from tests.models.narrow import narrow_network


@given(warmup=st.integers(0, 50), more=st.integers(1, 500))
def test_the_rate_rises_then_falls_to_zero(warmup: int, more: int) -> None:
    total = warmup + more
    schedule = Schedule("cosine", warmup_steps=warmup, total_steps=total)
    factors = [schedule(step) for step in range(total + 1)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert factors[:warmup] == sorted(factors[:warmup])
    assert factors[warmup:] == sorted(factors[warmup:], reverse=True)
    assert factors[-1] == pytest.approx(0, abs=1e-12)


@given(warmup=st.integers(1, 30), total=st.integers(31, 500))
def test_the_warm_up_does_not_depend_on_the_total(warmup: int, total: int) -> None:
    unknown = Schedule("cosine", warmup_steps=warmup)
    known = Schedule("cosine", warmup_steps=warmup, total_steps=total)
    assert [unknown(i) for i in range(warmup)] == [known(i) for i in range(warmup)]


def test_weight_decay_spares_biases_and_norms() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    choice = Choice(name="AdamW", options={"lr": 0.1, "weight_decay": 0.5})
    optimizer = build_optimizer(network, choice)
    decay = {
        id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]
    }
    for parameter in network.parameters():
        assert decay[id(parameter)] == (0.5 if parameter.ndim > 1 else 0.0)


def test_frozen_parameters_are_left_out() -> None:
    network = nn.Linear(2, 2)
    network.bias.requires_grad_(requires_grad=False)
    optimizer = build_optimizer(network, Choice(name="SGD", options={"lr": 0.1}))
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]


@pytest.mark.parametrize(
    "choice", [Choice(name="Adamm"), Choice(name="SGD", options={"rl": 1})]
)
def test_an_unknown_optimizer_or_option_is_refused(choice: Choice) -> None:
    with pytest.raises(ConfigError, match=r"training\.optimizer.*Did you mean"):
        build_optimizer(nn.Linear(1, 1), choice)


@pytest.mark.parametrize("way", ["foreach", "differentiable"])
def test_another_way_to_make_a_step_is_taken_in_place_of_the_fused_one(
    way: str,
) -> None:
    choice = Choice(name="AdamW", options={"lr": 0.1, way: True})
    optimizer = build_optimizer(nn.Linear(1, 1), choice, fused=True)
    assert not optimizer.defaults.get("fused")


def test_an_average_is_the_exponential_one() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = average_of(network, decay=0.9)
    values = [1.0, 2.0, 4.0]
    for value in values:
        network.weight.data.fill_(value)
        average.update_parameters(network)
    expected = 0.9 * (0.9 * values[0] + 0.1 * values[1]) + 0.1 * values[2]
    torch.testing.assert_close(average.module.weight.item(), expected)
    assert not any(p.requires_grad for p in average.parameters())


NETWORK = narrow_network("UNet")


@given(decay=st.floats(0.1, 1.0))
def test_every_stage_has_its_share_of_the_next_deeper_ones_rate(decay: float) -> None:
    network = NETWORK
    choice = Choice(name="AdamW", options={"lr": 0.5, "weight_decay": 0.1})
    optimizer = build_optimizer(network, choice, layer_decay=decay)
    rates = {
        id(item): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for item in group["params"]
    }
    assert len(rates) == len(list(network.parameters()))
    for name, item in network.named_parameters():
        above = 0
        if name.startswith("encoder."):
            above = 6 - network.encoder.stage(name.removeprefix("encoder."))
        rate, weight_decay = rates[id(item)]
        assert rate == pytest.approx(0.5 * decay**above)
        assert weight_decay == (0.1 if item.ndim > 1 else 0.0)
