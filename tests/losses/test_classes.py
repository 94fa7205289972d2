"""The loss of whole images' classes."""

import pytest
import torch
from torch.nn import functional

from segx.errors import ConfigError, ModelError
from segx.losses import CLASS_LOSSES, ClassCE


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 4.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_torchs_cross_entropy(
    weights: tuple[float, ...] | None, smoothing: float
) -> None:
    random = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 3, generator=random)
    target = torch.randint(3, (7,), generator=random)
    ours = ClassCE(3, class_weights=weights, label_smoothing=smoothing)
    torchs = functional.cross_entropy(
        logits,
        target,
        weight=None if weights is None else torch.tensor(weights),
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(ours(logits, target), torchs)


def test_a_batch_without_weight_costs_nothing() -> None:
    loss = ClassCE(2, class_weights=(0.0, 1.0))
    logits = torch.randn(3, 2, requires_grad=True)
    value = loss(logits, torch.zeros(3, dtype=torch.int64))
    value.backward()
    assert float(value.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_half_precision_is_computed_in_float32() -> None:
    logits = torch.randn(4, 2).bfloat16()
    target = torch.tensor([0, 1, 1, 0], dtype=torch.uint8)
    value = ClassCE(2)(logits, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, ClassCE(2)(logits.float(), target))


def test_shapes_and_weights_that_do_not_fit_are_refused() -> None:
    loss = CLASS_LOSSES["CE"](3)
    with pytest.raises(ModelError, match=r"\(4, 2\)"):
        loss(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"\(5,\)"):
        loss(torch.zeros(4, 3), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ConfigError, match="class_weights"):
        ClassCE(3, class_weights=(1.0, 2.0))
