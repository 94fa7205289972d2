"""Cross-entropy and its kin against sums written out pixel by pixel, and torch."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from segx.errors import ConfigError, ModelError
from segx.labels import Labels, MaskKind
from segx.losses import BCE, CE, Focal

MakeBatch = Callable[..., tuple[Labels, Tensor, Tensor]]
WEIGHTS = {
    "binary": (0.5, 2.0),
    "multiclass": (0.2, 1.0, 3.0),
    "multilabel": (1.0, 4.0),
}


def by_hand(
    labels: Labels,
    logits: Tensor,
    target: Tensor,
    *,
    weights: tuple[float, ...],
    gamma: float,
) -> float:
    """Weighted mean of (1 - p)^gamma * -log p over pixels, one at a time."""
    total = mass = 0.0
    planes = range(labels.logits) if labels.kind == "multilabel" else (0,)
    for image in range(len(logits)):
        for row in range(logits.shape[2]):
            for col in range(logits.shape[3]):
                for plane in planes:
                    scores = logits[image, :, row, col].double().tolist()
                    true = int(
                        target[(image, plane, row, col)]
                        if labels.kind == "multilabel"
                        else target[image, row, col]
                    )
                    if true == labels.ignore_index:
                        continue
                    if labels.kind == "multiclass":
                        p = math.exp(scores[true]) / sum(math.exp(s) for s in scores)
                    else:
                        p = 1 / (1 + math.exp(-scores[plane]))
                        p = p if true else 1 - p
                    weight = weights[plane if labels.kind == "multilabel" else true]
                    total += weight * (1 - p) ** gamma * -math.log(p)
                    mass += weight
    return total / mass


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_and_cross_entropy_are_the_sum_over_pixels(
    kind: MaskKind, make_batch: MakeBatch, gamma: float
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.2)
    weights = WEIGHTS[kind]
    wanted = by_hand(labels, logits, target, weights=weights, gamma=gamma)
    focal = Focal(labels, class_weights=weights, gamma=gamma)
    assert float(focal(logits, target)) == pytest.approx(wanted, rel=1e-5)
    if gamma == 0:
        plain = CE(labels, class_weights=weights)
        assert float(plain(logits, target)) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("weights", [None, (0.2, 1.0, 3.0)])
@pytest.mark.parametrize("ignored", [0.0, 0.3])
def test_multiclass_cross_entropy_is_torchs(
    make_batch: MakeBatch,
    smoothing: float,
    weights: tuple[float, ...] | None,
    ignored: float,
) -> None:
    labels, logits, target = make_batch("multiclass", ignored=ignored)
    ours = CE(labels, class_weights=weights, label_smoothing=smoothing)
    torchs = functional.cross_entropy(
        logits,
        target,
        weight=None if weights is None else torch.tensor(weights),
        ignore_index=255,
        label_smoothing=smoothing,
    )
    torch.testing.assert_close(ours(logits, target), torchs)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_sigmoid_cross_entropy_is_torchs_with_softened_truth(
    make_batch: MakeBatch, smoothing: float
) -> None:
    labels, logits, target = make_batch("multilabel")
    soft = target * (1 - smoothing) + smoothing / 2
    torchs = functional.binary_cross_entropy_with_logits(logits, soft)
    for loss in (CE, BCE):
        ours = loss(labels, label_smoothing=smoothing)
        torch.testing.assert_close(ours(logits, target), torchs)


def test_smoothed_binary_cross_entropy_is_that_of_two_logits(
    make_batch: MakeBatch,
) -> None:
    labels, logits, target = make_batch("binary", ignored=0.2)
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torchs = functional.cross_entropy(
        both,
        target,
        weight=torch.tensor([0.5, 2.0]),
        ignore_index=255,
        label_smoothing=0.1,
    )
    ours = CE(labels, class_weights=(0.5, 2.0), label_smoothing=0.1)
    torch.testing.assert_close(ours(logits, target), torchs)


def test_a_positive_weight_is_the_weight_of_present_pixels(
    make_batch: MakeBatch,
) -> None:
    labels, logits, target = make_batch("binary")
    heavy, weighted = BCE(labels, positive_weight=5.0), CE(labels, class_weights=(1, 5))
    torch.testing.assert_close(heavy(logits, target), weighted(logits, target))


def test_bce_refuses_multiclass_masks_and_says_what_to_take() -> None:
    with pytest.raises(ModelError, match="Take CE or DiceCE"):
        BCE(Labels("multiclass", ("background", "cytoplasm", "nucleus")))


def test_options_outside_their_range_are_refused() -> None:
    labels = Labels("binary", ("background", "cell"))
    with pytest.raises(ConfigError, match="label_smoothing: 1 given"):
        CE(labels, label_smoothing=1)
    with pytest.raises(ConfigError, match="gamma: -1 given"):
        Focal(labels, gamma=-1)
    with pytest.raises(ConfigError, match="positive_weight: 0 given"):
        BCE(labels, positive_weight=0)
