"""Batches of logits and truth for every kind of mask."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from segx.labels import Labels, MaskKind

NAMES: dict[MaskKind, tuple[str, ...]] = {
    "binary": ("background", "cell"),
    "multiclass": ("background", "cytoplasm", "nucleus"),
    "multilabel": ("lung", "heart"),
}

Batch = tuple[Labels, Tensor, Tensor]


@pytest.fixture(params=["binary", "multiclass", "multilabel"])
def kind(request: pytest.FixtureRequest) -> MaskKind:
    """Every kind of mask in turn."""
    found: MaskKind = request.param
    return found


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Make (labels, logits, target) of a kind, with a share of ignored pixels."""

    def make(
        kind: MaskKind,
        *,
        ignored: float = 0.0,
        size: tuple[int, int] = (5, 7),
        seed: int = 0,
    ) -> Batch:
        random = torch.Generator().manual_seed(seed)
        labels = Labels(kind, NAMES[kind], ignore_index=255 if ignored else None)
        logits = torch.randn(3, labels.logits, *size, generator=random)
        planes = (labels.logits,) if kind == "multilabel" else ()
        classes = 2 if kind == "multilabel" else len(labels.names)
        target = torch.randint(classes, (3, *planes, *size), generator=random)
        left_out = torch.rand(target.shape, generator=random) < ignored
        return labels, logits, target.masked_fill(left_out, 255)

    return make
