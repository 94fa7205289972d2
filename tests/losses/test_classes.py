"""The losses of whole images' classes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from segx.errors import ConfigError, ModelError
from segx.labels import UNKNOWN, Labels
from segx.losses import CLASS_LOSSES, ClassCE

TWO = Labels("multiclass", ("a", "b"))
THREE = Labels("multiclass", ("a", "b", "c"))
SEVERAL = Labels("multilabel", ("a", "b", "c"))


def some_logits(batch: int = 7, classes: int = 3, *, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(batch, classes, generator=random).requires_grad_()


def gradient(value: Tensor, logits: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(value, logits)
    return found


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 4.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_torchs_cross_entropy(
    weights: tuple[float, ...] | None, smoothing: float
) -> None:
    logits = some_logits()
    target = torch.tensor([0, 1, 2, 2, 1, 0, 0])
    ours = ClassCE(THREE, class_weights=weights, label_smoothing=smoothing)
    torchs = functional.cross_entropy(
        logits,
        target,
        weight=None if weights is None else torch.tensor(weights),
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(ours(logits, target), torchs)


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 4.0)])
def test_of_several_classes_it_is_torchs_binary_cross_entropy(
    weights: tuple[float, ...] | None,
) -> None:
    logits = some_logits()
    target = torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]] * 2)[:7]
    torchs = functional.binary_cross_entropy_with_logits(
        logits,
        target.float(),
        pos_weight=None if weights is None else torch.tensor(weights),
    )
    ours = ClassCE(SEVERAL, class_weights=weights)
    torch.testing.assert_close(ours(logits, target), torchs)


@given(seed=st.integers(0, 999), smoothing=st.sampled_from([0.0, 0.1]))
def test_one_class_by_itself_is_one_of_two(seed: int, smoothing: float) -> None:
    logit = some_logits(5, 1, seed=seed)
    target = torch.randint(2, (5,), generator=torch.Generator().manual_seed(seed))
    alone = ClassCE(Labels("multilabel", ("b",)), label_smoothing=smoothing)
    pair = torch.cat([torch.zeros_like(logit), logit], dim=1)
    one_of_two = ClassCE(TWO, label_smoothing=smoothing)
    torch.testing.assert_close(alone(logit, target[:, None]), one_of_two(pair, target))


@given(seed=st.integers(0, 999), weighted=st.booleans())
def test_what_is_unknown_changes_nothing(seed: int, weighted: bool) -> None:
    weights = (0.5, 1.0, 4.0) if weighted else None
    random = torch.Generator().manual_seed(seed)
    logits = some_logits(6, seed=seed)
    target = torch.randint(3, (6,), generator=random)
    unknown = torch.tensor([False, True, False, True, True, False])
    loss = ClassCE(THREE, class_weights=weights)
    masked = gradient(loss(logits, target.masked_fill(unknown, UNKNOWN)), logits)
    without = gradient(loss(logits[~unknown], target[~unknown]), logits)
    torch.testing.assert_close(masked, without)
    assert not masked[unknown].any()


def test_an_unknown_class_of_several_changes_nothing() -> None:
    logits = some_logits(4)
    target = torch.tensor(
        [[1, UNKNOWN, 0], [UNKNOWN, 1, 0], [0, 0, 1], [1, 1, UNKNOWN]]
    )
    known = target != UNKNOWN
    found = gradient(ClassCE(SEVERAL)(logits, target), logits)
    alone = functional.binary_cross_entropy_with_logits(
        logits[known], target[known].float()
    )
    torch.testing.assert_close(found, gradient(alone, logits))


@pytest.mark.parametrize(
    ("labels", "target"),
    [
        (TWO, torch.full((3,), UNKNOWN)),
        (Labels("multilabel", ("a", "b")), torch.full((3, 2), UNKNOWN)),
    ],
)
def test_a_batch_of_which_nothing_is_known_costs_nothing(
    labels: Labels, target: Tensor
) -> None:
    logits = some_logits(3, 2)
    value = ClassCE(labels)(logits, target)
    assert float(value.detach()) == 0
    assert not gradient(value, logits).any()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_batch_without_weight_costs_nothing(smoothing: float) -> None:
    loss = ClassCE(TWO, class_weights=(0.0, 1.0), label_smoothing=smoothing)
    logits = some_logits(3, 2)
    value = loss(logits, torch.zeros(3, dtype=torch.int64))
    assert float(value.detach()) == 0
    assert not gradient(value, logits).any()


def test_half_precision_is_computed_in_float32() -> None:
    logits = torch.randn(4, 2).bfloat16()
    target = torch.tensor([0, 1, 1, 0], dtype=torch.uint8)
    value = ClassCE(TWO)(logits, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, ClassCE(TWO)(logits.float(), target))


def test_shapes_and_weights_that_do_not_fit_are_refused() -> None:
    loss = CLASS_LOSSES["CE"](THREE)
    with pytest.raises(ModelError, match=r"\(4, 2\)"):
        loss(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"\(5,\)"):
        loss(torch.zeros(4, 3), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(ModelError, match=r"\(batch, 3\), 0 or 1 a class"):
        ClassCE(SEVERAL)(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ConfigError, match="class_weights"):
        ClassCE(THREE, class_weights=(1.0, 2.0))
