"""Xception as its paper draws it, and whether an encoder is so."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from segx.models.anatomy.blocks import Anatomy, Block
from segx.models.anatomy.laws import Claim, in_runs

__all__ = ["PAPER_SIZE", "paper_claims", "with_classifier"]

PAPER_SIZE = 299
"""Side of the images there, in pixels."""

_MODULES = 14

_PARAMETERS = 22_855_952
"""Of three channels, with the classifier of ImageNet's 1000 classes."""

_ENTRY = "relu sep norm relu sep norm pool"
_MIDDLE = "relu sep norm relu sep norm relu sep norm"

_FIGURE = (
    "conv norm relu conv norm relu",
    _ENTRY.removeprefix("relu "),
    *(_ENTRY,) * 2,
    *(_MIDDLE,) * 8,
    _ENTRY,
    "sep norm relu sep norm relu",
)
"""What each module does, in order; the norms are in the caption."""

_WIDTHS = (
    (32, 64),
    (128, 128),
    (256, 256),
    (728, 728),
    *((728, 728, 728),) * 8,
    (728, 1024),
    (1536, 2048),
)
"""Channels that each layer of each module gives."""


def paper_claims(anatomy: Anatomy) -> Iterator[Claim]:
    """Hold an anatomy against what Chollet says of his; he calls a block a module.

    Args:
        anatomy: Of an image of `PAPER_SIZE`.

    References:
        Chollet 2017, doi:10.1109/CVPR.2017.195, arXiv:1610.02357.
    """
    blocks = anatomy.blocks
    middle = anatomy.flows["middle"]
    layers, section = str(len(anatomy.layers)), "section 3"
    figure = "figure 5"
    yield Claim("36 convolutional layers, a separable one once", "36", layers, section)
    yield Claim("14 modules", str(_MODULES), str(len(blocks)), section)
    yield Claim(
        "The middle flow is repeated eight times", "8", str(len(middle)), figure
    )
    yield Claim(
        f"The middle flow works on 19×19×728 for {PAPER_SIZE}×{PAPER_SIZE}",
        "19×19×728",
        ", ".join(dict.fromkeys(f"{_size(b)}×{b.channels[-1]}" for b in middle)),
        figure,
    )
    yield Claim(
        "Skips that reduce are 1×1 with stride 2, all others the identity",
        "1×1 ↓2: 2–4, 13; identity: 5–12",
        _by_kind((item.number, str(item.skip)) for item in blocks if item.skip),
        figure,
    )
    yield Claim(
        "Modules reduce by max pooling of 3×3 with stride 2",
        "3×3 ↓2: 2–4, 13",
        _by_kind((item.number, item.pool) for item in blocks if item.pool),
        figure,
    )
    yield Claim(
        "Channels of each layer", _widths(_WIDTHS), _widths(_outs(blocks)), figure
    )
    yield Claim(
        "Order of separable convolutions, norms, ReLUs and pools",
        "as drawn",
        _deviation(blocks) or "as drawn",
        figure,
    )
    between = [x.spatial.name for x in anatomy.layers if x.between]
    yield Claim(
        "Nothing between a depthwise convolution and its pointwise one",
        "nothing",
        ", ".join(between) or "nothing",
        "section 4.7",
    )
    yield Claim(
        "Parameters, of 3 channels and with a classifier of 1000 classes",
        f"{_PARAMETERS:,}",
        f"{with_classifier(anatomy):,}",
        "table 3",
    )


def with_classifier(anatomy: Anatomy) -> int:
    """Parameters with three channels in and 1000 classes out."""
    first = anatomy.layers[0].spatial
    of_three = 3 * first.parameters // first.in_channels
    classes = 1000 * (anatomy.features[-1][0] + 1)
    return anatomy.parameters - first.parameters + of_three + classes


def _by_kind(kinds: Iterable[tuple[int, str]]) -> str:
    """Numbers of modules by what they have.

    Examples:
        >>> _by_kind([(2, "1×1"), (3, "1×1"), (4, "identity")])
        '1×1: 2–3; identity: 4'
    """
    numbers: dict[str, list[int]] = {}
    for number, kind in kinds:
        numbers.setdefault(kind, []).append(number)
    return "; ".join(f"{kind}: {in_runs(found)}" for kind, found in numbers.items())


def _outs(blocks: Iterable[Block]) -> tuple[tuple[int, ...], ...]:
    return tuple(block.channels[1:] for block in blocks)


def _widths(modules: Iterable[tuple[int, ...]]) -> str:
    """Channels of each layer, module by module, those that are alike once.

    Examples:
        >>> _widths([(32, 64), (728, 728), (728, 728)])
        '32 64 | 728 728 (2 times)'
    """
    words = []
    for outs, run in groupby(modules):
        times = len(list(run))
        text = " ".join(map(str, outs))
        words.append(text if times == 1 else f"{text} ({times} times)")
    return " | ".join(words)


def _deviation(blocks: tuple[Block, ...]) -> str:
    """The first module whose order is not the figure's."""
    for block, drawn in zip(blocks, _FIGURE, strict=False):
        if " ".join(block.order) != drawn:
            return f"module {block.number}: {' '.join(block.order)}, not {drawn}"
    return ""


def _size(block: Block) -> str:
    return f"{block.extent.rows}×{block.extent.cols}"
