"""Encoders that are built wrongly, each in one way."""

import copy
from collections.abc import Callable
from typing import Any

from timm.models.xception import Block
from torch import Tensor, nn

from segx.models.encoder import XceptionEncoder

__all__ = ["MUTANTS", "Mutation", "mutant"]


class NoSum(Block):
    """A block that forgets its skip."""

    def forward(self, inp: Tensor) -> Tensor:
        out: Tensor = self.rep(inp)
        return out


class HalfSum(Block):
    """A block that adds half of its skip."""

    def forward(self, inp: Tensor) -> Tensor:
        out: Tensor = self.rep(inp)
        return out + 0.5 * inp


def _without_sum(body: Any) -> None:
    body.block7.__class__ = NoSum


def _with_half_sum(body: Any) -> None:
    body.block7.__class__ = HalfSum


def _grouped(body: Any) -> None:
    old = body.block6.rep[4].conv1
    body.block6.rep[4].conv1 = nn.Conv2d(728, 728, 3, padding=1, groups=2, bias=False)
    assert old.groups == 728


def _short_of_a_block(body: Any) -> None:
    body.block9 = nn.Identity()


def _relu_last(body: Any) -> None:
    relu, *others = body.block5.rep
    body.block5.rep = nn.Sequential(*others, relu)


def _relu_between(body: Any) -> None:
    layer = body.block8.rep[1]
    layer.pointwise = nn.Sequential(nn.ReLU(), layer.pointwise)


def _wide_kernel(body: Any) -> None:
    body.block4.rep[1].conv1 = nn.Conv2d(728, 728, 5, padding=2, groups=728, bias=False)


def _wide_projection(body: Any) -> None:
    body.block2.skip = nn.Conv2d(128, 256, 3, stride=2, padding=1, bias=False)


def _narrow_end(body: Any) -> None:
    body.conv4.pointwise = nn.Conv2d(1536, 1024, 1, bias=False)
    body.bn4 = nn.BatchNorm2d(1024)


def _unpadded(body: Any) -> None:
    body.conv1.padding = body.conv2.padding = (0, 0)


def _small_pool(body: Any) -> None:
    body.block12.rep[-1] = nn.MaxPool2d(2, 2, ceil_mode=True)


def _without_norm(body: Any) -> None:
    body.block3.rep[2] = nn.Identity()


Mutation = Callable[[Any], None]

# What is done to legacy_xception, words of the claims that must then fail, and what is
# found instead.
MUTANTS: dict[str, tuple[Mutation, str, str]] = {
    "no sum": (_without_sum, "A skip goes around every block", "2–7, 9–13"),
    "half sum": (_with_half_sum, "With its branch at zero", "2–7, 9–13"),
    "groups": (_grouped, "one filter a channel", "block6.rep.4.conv1: 3×3 in 2 groups"),
    "block missing": (_short_of_a_block, "14 modules", "13"),
    "middle": (_short_of_a_block, "repeated eight times", "7"),
    "layers": (_short_of_a_block, "36 convolutional layers", "33"),
    "relu last": (_relu_last, "Order of separable", "module 6: sep norm relu"),
    "relu between": (_relu_between, "Nothing between", "block8.rep.1.conv1"),
    "kernel": (_wide_kernel, "Parameters", "22,867,600"),
    "projection": (_wide_projection, "identity or one 1×1", "block 3: 3×3 ↓2"),
    "channels": (_narrow_end, "Channels of each layer", "| 1536 1024"),
    "padding": (_unpadded, "A feature has ceil", "299, 147, 74, 37, 19, 10"),
    "pool": (_small_pool, "max pooling of 3×3", "3×3 ↓2: 2–4; 2×2 ↓2: 13"),
    "norm": (_without_norm, "Order of separable", "module 4: relu sep relu sep norm"),
}  # fmt: skip


def mutant(encoder: XceptionEncoder, mutation: Mutation) -> XceptionEncoder:
    """A copy of an encoder with something done to it."""
    changed = copy.deepcopy(encoder)
    mutation(changed.body)
    return changed
