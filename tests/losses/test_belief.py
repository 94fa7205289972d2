"""The forms that losses are made of."""

from collections.abc import Callable

import torch
from torch import Tensor

from segx.labels import Labels, MaskKind
from segx.losses.belief import Belief

MakeBatch = Callable[..., tuple[Labels, Tensor, Tensor]]


def test_truth_and_foreground_have_one_plane_a_foreground_class(
    kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.3)
    belief = Belief.of(labels, logits, target)
    planes = (3, len(labels.foreground), 5, 7)
    assert belief.truth.shape == belief.foreground.shape == planes
    assert belief.surprise.shape == belief.index.shape


def test_ignored_pixels_are_true_of_no_class(
    kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.3)
    belief = Belief.of(labels, logits, target)
    assert belief.valid is not None
    assert not (belief.truth * (1 - belief.valid)).any()
    assert torch.equal(belief.valid.flatten() == 0, target.flatten() == 255)


def test_a_class_id_can_be_the_one_to_ignore() -> None:
    labels = Labels("multiclass", ("background", "organ", "unsure"), ignore_index=2)
    target = torch.tensor([[[0, 1, 2]]])
    belief = Belief.of(labels, torch.zeros(1, 3, 1, 3), target)
    assert belief.truth.tolist() == [[[[0, 1, 0]], [[0, 0, 0]]]]
    assert belief.valid is not None
    assert belief.valid.tolist() == [[[[1, 1, 0]]]]
