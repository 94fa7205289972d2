"""Tversky, Dice and Lovász against their definitions written out by brute force."""

from collections.abc import Callable, Sequence
from itertools import chain

import pytest
import torch
from torch import Tensor

from segx.errors import ConfigError
from segx.labels import Labels, MaskKind
from segx.losses import Dice, Lovasz, Tversky

MakeBatch = Callable[..., tuple[Labels, Tensor, Tensor]]


def planes(
    labels: Labels, logits: Tensor, target: Tensor
) -> list[list[tuple[list[float], list[int]]]]:
    """Probabilities and truth of the pixels that count, by class and image."""
    soft = logits.softmax(1) if labels.kind == "multiclass" else logits.sigmoid()
    found = []
    for plane in range(len(labels.foreground)):
        channel = plane + (labels.kind == "multiclass")
        images = []
        for image in range(len(logits)):
            truth = (
                target[image, plane] if labels.kind == "multilabel" else target[image]
            )
            wanted = 1 if labels.kind == "multilabel" else plane + 1
            counted = truth != 255
            images.append(
                (
                    soft[image, channel][counted].double().tolist(),
                    [int(value == wanted) for value in truth[counted].tolist()],
                )
            )
        found.append(images)
    return found


def tversky(
    pixels: Sequence[tuple[float, int]], alpha: float, beta: float, smooth: float
) -> float:
    tp = sum(p * t for p, t in pixels)
    fp = sum(p * (1 - t) for p, t in pixels)
    fn = sum((1 - p) * t for p, t in pixels)
    return 1 - (tp + smooth) / (tp + alpha * fp + beta * fn + smooth)


@pytest.mark.parametrize("per_image", [False, True])
def test_tversky_is_its_definition(
    kind: MaskKind, make_batch: MakeBatch, per_image: bool
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.2)
    weights = tuple(1.0 + i for i in range(len(labels.names)))
    loss = Tversky(
        labels,
        class_weights=weights,
        alpha=0.2,
        beta=0.9,
        smooth=0.5,
        per_image=per_image,
    )
    total = mass = 0.0
    of_classes = planes(labels, logits, target)
    for weight, images in zip(weights[-len(of_classes) :], of_classes, strict=True):
        pairs = [list(zip(soft, truth, strict=True)) for soft, truth in images]
        groups = pairs if per_image else [list(chain.from_iterable(pairs))]
        total += weight * sum(tversky(group, 0.2, 0.9, 0.5) for group in groups)
        mass += weight * len(groups)
    assert float(loss(logits, target)) == pytest.approx(total / mass, rel=1e-5)


def test_dice_is_tversky_with_halves(kind: MaskKind, make_batch: MakeBatch) -> None:
    labels, logits, target = make_batch(kind)
    halves = Tversky(labels, alpha=0.5, beta=0.5)
    assert float(Dice(labels)(logits, target)) == float(halves(logits, target))


def test_sums_over_the_batch_do_not_depend_on_which_image_holds_a_pixel(
    kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind)
    stacked = logits.transpose(0, 1).flatten(1, 2)[
        None
    ]  # the images, one below another
    tall = (
        target.transpose(0, 1).flatten(1, 2)[None]
        if kind == "multilabel"
        else (target.flatten(0, 1)[None])
    )
    torch.testing.assert_close(
        Dice(labels)(logits, target), Dice(labels)(stacked, tall)
    )


def test_a_class_that_is_nowhere_costs_only_what_was_predicted_of_it() -> None:
    labels = Labels("binary", ("background", "cell"))
    target = torch.zeros(2, 8, 8, dtype=torch.int64)
    nothing, something = torch.full((2, 1, 8, 8), -60.0), torch.zeros(2, 1, 8, 8)
    assert float(Dice(labels)(nothing, target)) == pytest.approx(0, abs=1e-6)
    assert float(Dice(labels)(something, target)) == pytest.approx(32 / 33)


def jaccard_loss(truth: Sequence[int], wrong: set[int]) -> float:
    """1 - IoU of the prediction that errs on exactly the pixels `wrong`."""
    predicted = {i for i, t in enumerate(truth) if (i in wrong) != bool(t)}
    real = {i for i, t in enumerate(truth) if t}
    union = predicted | real
    return 1 - len(predicted & real) / len(union) if union else 0.0


def test_lovasz_is_the_extension_of_the_jaccard_loss(
    kind: MaskKind, make_batch: MakeBatch
) -> None:
    labels, logits, target = make_batch(kind, ignored=0.2)
    values = []
    for images in planes(labels, logits, target):
        soft = [p for probabilities, _ in images for p in probabilities]
        truth = [t for _, truths in images for t in truths]
        errors = [abs(t - p) for p, t in zip(soft, truth, strict=True)]
        order = sorted(range(len(errors)), key=lambda i: -errors[i])
        # The integral, over all thresholds, of the set loss of the errors above it.
        steps = [*(errors[i] for i in order), 0.0]
        values.append(
            sum(
                (steps[k] - steps[k + 1]) * jaccard_loss(truth, set(order[: k + 1]))
                for k in range(len(order))
            )
        )
    found = float(Lovasz(labels)(logits, target))
    assert found == pytest.approx(sum(values) / len(values), rel=1e-4)


def test_lovasz_of_a_hard_prediction_is_its_jaccard_loss() -> None:
    labels = Labels("binary", ("background", "cell"))
    target = torch.tensor([[[1, 1, 1, 0, 0, 0]]])
    logits = 60.0 * torch.tensor([[[[1, 1, -1, 1, -1, -1]]]])
    assert float(Lovasz(labels)(logits, target)) == pytest.approx(1 - 2 / 4)


def test_lovasz_leaves_out_classes_that_are_not_there() -> None:
    labels = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
    target = torch.tensor([[[0, 1, 1, 0]]])
    logits = torch.randn(1, 3, 1, 4, generator=torch.Generator().manual_seed(0))
    only = Lovasz(labels, class_weights=(0.0, 1.0, 0.0))
    torch.testing.assert_close(Lovasz(labels)(logits, target), only(logits, target))


def test_options_outside_their_range_are_refused() -> None:
    labels = Labels("binary", ("background", "cell"))
    for options in ({"alpha": -1.0}, {"beta": float("inf")}, {"smooth": 0.0}):
        with pytest.raises(ConfigError, match=f"{next(iter(options))}: .* given"):
            Tversky(labels, **options)
