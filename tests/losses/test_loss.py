"""Laws that hold for every loss of masks."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from segx.errors import ConfigError, ModelError
from segx.labels import Labels, MaskKind
from segx.losses import LOSSES

MakeBatch = Callable[..., tuple[Labels, Tensor, Tensor]]


KINDS: tuple[MaskKind, ...] = ("binary", "multiclass", "multilabel")
PAIRS = [
    (name, kind)
    for name in LOSSES
    for kind in KINDS
    if (name, kind) != ("BCE", "multiclass")  # refused: see test_pixelwise.py
]

for_every_loss = pytest.mark.parametrize(("name", "kind"), PAIRS)


def sure(labels: Labels, target: Tensor) -> Tensor:
    """Logits that give every pixel's truth all of the probability."""
    if labels.kind == "multilabel":
        return 60.0 * (2 * (target == 1) - 1)
    if labels.kind == "binary":
        return 60.0 * (2 * (target == 1) - 1).unsqueeze(1)
    ids = torch.arange(len(labels.names)).view(1, -1, 1, 1)
    return 60.0 * (target.unsqueeze(1) == ids)


@for_every_loss
def test_a_perfect_prediction_costs_nothing_and_its_opposite_much(
    name: str, kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, _, target = make_batch(kind, ignored=0.2)
    loss = LOSSES[name](labels)
    assert float(loss(sure(labels, target), target)) == pytest.approx(0, abs=1e-5)
    assert float(loss(-sure(labels, target), target)) > 0.4


@for_every_loss
def test_what_is_said_of_ignored_pixels_changes_neither_loss_nor_gradient(
    name: str, kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.3)
    loss = LOSSES[name](labels)
    ignored = (target == 255).view(3, -1, *target.shape[-2:]).expand_as(logits)
    other = torch.where(ignored, 9 * torch.randn_like(logits), logits)
    logits.requires_grad_()
    other.requires_grad_()
    first, second = loss(logits, target), loss(other, target)
    first.backward()
    second.backward()
    assert float(first.detach()) == pytest.approx(float(second.detach()), rel=1e-5)
    assert logits.grad is not None
    assert other.grad is not None
    assert not logits.grad[ignored].any()
    torch.testing.assert_close(logits.grad, other.grad, atol=1e-7, rtol=1e-4)


@for_every_loss
def test_a_batch_that_is_all_ignored_costs_nothing_and_moves_nothing(
    name: str, kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.3)
    logits.requires_grad_()
    value = LOSSES[name](labels)(logits, torch.full_like(target, 255))
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert not logits.grad.any()


@for_every_loss
@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0, 1e4, 1e30])
def test_loss_and_gradient_are_finite_without_foreground_and_for_huge_logits(
    name: str, kind: MaskKind, make_batch: MakeBatch, scale: float
) -> None:
    labels, logits, target = make_batch(kind)
    for truth in (torch.zeros_like(target), target):
        wild = (logits * scale).requires_grad_()
        value = LOSSES[name](labels)(wild, truth)
        value.backward()
        assert value.isfinite()
        assert wild.grad is not None
        assert wild.grad.isfinite().all()


@for_every_loss
def test_the_gradient_is_that_of_finite_differences(
    name: str, kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.2, size=(4, 4), seed=3)
    loss = LOSSES[name](labels)
    logits.requires_grad_()
    loss(logits, target).backward()
    assert logits.grad is not None
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    slope = float((logits.grad * direction).sum())
    with torch.no_grad():
        step = 2e-3 * direction
        rise = loss(logits + step, target) - loss(logits - step, target)
    assert slope == pytest.approx(float(rise) / 4e-3, rel=0.02, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "kind"), [pair for pair in PAIRS if "binary" not in pair]
)
def test_swapping_foreground_classes_changes_nothing(
    name: str, kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind)
    loss = LOSSES[name](labels)
    if kind == "multilabel":
        swapped = loss(logits.flip(1), target.flip(1))
    else:
        swapped = loss(logits[:, [0, 2, 1]], torch.tensor([0, 2, 1])[target])
    torch.testing.assert_close(loss(logits, target), swapped)


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - {"BCE"}))
def test_one_sigmoid_logit_is_the_softmax_over_two(
    name: str, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch("binary", ignored=0.2)
    twofold = Labels("multiclass", labels.names, ignore_index=255)
    weights = (0.5, 2.0)
    one = LOSSES[name](labels, class_weights=weights)
    two = LOSSES[name](twofold, class_weights=weights)
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(one(logits, target), two(both, target))


@for_every_loss
def test_equal_weights_weigh_as_none_do(
    name: str, kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.2)
    plain = LOSSES[name](labels)
    weighted = LOSSES[name](labels, class_weights=(3.0,) * len(labels.names))
    torch.testing.assert_close(plain(logits, target), weighted(logits, target))


@for_every_loss
def test_half_precision_and_autocast_compute_in_float32(
    name: str, kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, size=(32, 32))
    loss = LOSSES[name](labels)
    rounded = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = loss(rounded, target)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, loss(rounded.float(), target))


@for_every_loss
def test_memory_format_and_integer_type_change_nothing(
    name: str, kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.2)
    loss = LOSSES[name](labels)
    other = logits.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        loss(other, target.to(torch.uint8)), loss(logits, target), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_adds_nothing_to_a_checkpoint(name: str, make_batch: MakeBatch) -> None:
    labels, _, _ = make_batch("binary")
    assert not LOSSES[name](labels).state_dict()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(LOSSES)), st.integers(1, 4), st.integers(1, 9), st.data())
def test_any_batch_gives_a_finite_loss_of_at_least_zero(
    name: str, batch: int, side: int, data: st.DataObject
) -> None:
    labels = Labels("binary", ("background", "cell"), ignore_index=255)
    random = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    values = torch.tensor(
        data.draw(st.sampled_from([[0], [1], [255], [0, 1], [0, 1, 255]]))
    )
    pick = torch.randint(len(values), (batch, side, side), generator=random)
    logits = 10 * torch.randn(batch, 1, side, side, generator=random)
    weights = data.draw(st.sampled_from([None, (0.0, 1.0), (1.0, 0.0)]))
    smoothing = data.draw(st.sampled_from([0.0, 0.1]))
    can_smooth = name in {"BCE", "CE", "DiceCE"}
    options = {"label_smoothing": smoothing} if can_smooth else {}
    loss = LOSSES[name](labels, class_weights=weights, **options)
    value = float(loss(logits, values[pick]))
    assert -1e-6 <= value < 1000


def test_shapes_that_do_not_fit_are_refused_with_both(make_batch: MakeBatch) -> None:
    labels, logits, target = make_batch("multiclass")
    loss = LOSSES["CE"](labels)
    with pytest.raises(ModelError, match=r"\(3, 2, 5, 7\).*\(batch, 3, rows, cols\)"):
        loss(logits[:, :2], target)
    with pytest.raises(ModelError, match=r"\(3, 5, 6\).*must be \(3, 5, 7\)"):
        loss(logits, target[..., :6])


@pytest.mark.parametrize("value", [-1, 2, 255])
def test_a_value_that_is_no_class_is_refused(value: int, make_batch: MakeBatch) -> None:
    labels, logits, target = make_batch("binary")
    target[0, 0, 0] = value
    with pytest.raises(ModelError, match=rf"{value}.*Map"):
        LOSSES["DiceCE"](labels)(logits, target)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    "weights", [(1.0,), (1.0, 2.0, 3.0), (1.0, -1.0), (0.0, 0.0), (1.0, float("nan"))]
)
def test_class_weights_that_can_not_weigh_are_refused(
    name: str, weights: tuple[float, ...]
) -> None:
    labels = Labels("binary", ("background", "cell"))
    with pytest.raises(ConfigError, match=r"class_weights.*2 finite"):
        LOSSES[name](labels, class_weights=weights)
