"""Blocks are found in the forward pass itself, whatever modules are called."""

import pytest
import torch
from torch import Tensor, nn

from segx.errors import ModelError
from segx.models.anatomy.dataflow import trace_spans
from segx.models.encoder import XceptionEncoder


class Toy(XceptionEncoder):
    """Takes an encoder's place: a forward pass with names of its own."""

    def __init__(self, kind: str) -> None:
        nn.Module.__init__(self)
        self.kind = kind
        self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, padding=1)
        self.c = nn.Conv2d(4, 4, 1)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.a(image)
        if self.kind == "cat":
            return [image, torch.cat([self.b(x), self.c(x)], dim=1)]
        if self.kind == "plain":
            return [image, torch.relu(self.b(x))]
        skip = self.c(x) if self.kind == "projection" else x
        return [image, torch.relu(skip + self.b(x).relu())]


def kinds(encoder: XceptionEncoder) -> list[tuple[list[str], list[str] | None]]:
    return [
        (
            [step.kind for step in (*span.lead, *span.branch)],
            None if span.skip is None else [step.name for step in span.skip],
        )
        for span in trace_spans(encoder)
    ]


def test_a_sum_of_two_ways_is_a_block_with_a_skip() -> None:
    assert [skip for _, skip in kinds(Toy("identity"))] == [None, []]
    assert [skip for _, skip in kinds(Toy("projection"))] == [None, ["c"]]
    assert [skip for _, skip in kinds(Toy("plain"))] == [None]
    assert kinds(Toy("plain"))[0][0] == ["convolution", "convolution", "relu"]


def test_other_meetings_of_features_are_refused() -> None:
    with pytest.raises(ModelError, match="takes 2 features; only sums of two"):
        trace_spans(Toy("cat"))
