"""Losses made of losses."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from segx.geometry import Extent
from segx.labels import Labels, MaskKind
from segx.losses import CE, DeepSupervision, Dice, DiceCE, shrink_target

MakeBatch = Callable[..., tuple[Labels, Tensor, Tensor]]


def test_dice_ce_is_the_weighted_sum_of_both(
    kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.2)
    weights = (2.0,) + (1.0,) * (len(labels.names) - 1)
    both = DiceCE(
        labels,
        class_weights=weights,
        dice_weight=0.5,
        ce_weight=3.0,
        label_smoothing=0.1,
        smooth=2.0,
        per_image=True,
    )
    dice = Dice(labels, class_weights=weights, smooth=2.0, per_image=True)
    ce = CE(labels, class_weights=weights, label_smoothing=0.1)
    wanted = 0.5 * dice(logits, target) + 3 * ce(logits, target)
    torch.testing.assert_close(both(logits, target), wanted)


def test_deep_supervision_weighs_each_coarser_map_half(
    kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, size=(12, 20))
    half, quarter = logits[..., ::2, ::2], logits[..., ::4, ::4]
    loss = CE(labels)
    found = DeepSupervision(loss)(logits, target, auxiliary=(half, quarter))
    parts = [
        loss(logits, target),
        loss(half, shrink_target(target, Extent(6, 10))),
        loss(quarter, shrink_target(target, Extent(3, 5))),
    ]
    wanted = (parts[0] + parts[1] / 2 + parts[2] / 4) / 1.75
    torch.testing.assert_close(found, wanted)


def test_deep_supervision_without_auxiliary_maps_is_the_loss(
    kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind)
    loss = DiceCE(labels)
    assert float(DeepSupervision(loss)(logits, target)) == float(loss(logits, target))


def test_every_map_receives_a_gradient(make_batch: MakeBatch) -> None:
    labels, logits, target = make_batch("binary", ignored=0.2, size=(8, 8))
    maps = [logits, logits[..., ::2, ::2].clone(), logits[..., ::4, ::4].clone()]
    for item in maps:
        item.requires_grad_()
    DeepSupervision(DiceCE(labels))(maps[0], target, auxiliary=maps[1:]).backward()
    for item in maps:
        assert item.grad is not None
        assert item.grad.any()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_shrinking_keeps_place_and_values(
    rows: int, cols: int, coarse_rows: int, coarse_cols: int
) -> None:
    extent = Extent(min(rows, coarse_rows), min(cols, coarse_cols))
    row_of, col_of = torch.arange(rows), torch.arange(cols)
    target = row_of.unsqueeze(1) * cols + col_of
    small = shrink_target(target, extent)
    assert small.shape == (extent.rows, extent.cols)
    centres = (torch.arange(extent.rows) + 0.5) * rows / extent.rows
    assert ((small // cols)[:, 0] - centres).abs().max() <= 1
    if extent == Extent(rows, cols):
        assert torch.equal(small, target)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_shrinking_keeps_the_type(dtype: torch.dtype) -> None:
    target = torch.zeros(2, 3, 9, 9, dtype=dtype)
    assert shrink_target(target, Extent(4, 4)).dtype == dtype
