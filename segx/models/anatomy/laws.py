"""What must be true of every encoder here: its skips, its thrift, its sizes."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from segx.models.anatomy.blocks import Anatomy, Block, Layer

__all__ = ["Claim", "in_runs", "laws"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that is true if what was found is what was expected.

    Args:
        text: The sentence.
        expected: In words or numbers.
        found: Likewise.
        source: Where Chollet says so; empty where it is a law of this package.
    """

    text: str
    expected: str
    found: str
    source: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is true."""
        return self.found == self.expected


def laws(anatomy: Anatomy) -> list[Claim]:
    """Hold an anatomy of any size against what is true of all Xceptions here."""
    return [*_residuals(anatomy), *_thrift(anatomy), *_sizes(anatomy)]


def in_runs(numbers: Iterable[int]) -> str:
    """Numbers in few letters.

    Examples:
        >>> in_runs([2, 3, 4, 7, 9, 10])
        '2–4, 7, 9–10'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return (
        ", ".join(
            str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs
        )
        or "none"
    )


def _residuals(anatomy: Anatomy) -> Iterator[Claim]:
    blocks = anatomy.blocks
    inner = in_runs(range(2, len(blocks)))
    yield Claim(
        "A skip goes around every block but the first and the last",
        inner,
        in_runs(block.number for block in blocks if block.skip),
    )
    yield Claim(
        "With its branch at zero a block gives its skip, bit by bit",
        inner,
        in_runs(
            block.number for block in blocks if block.skip and block.skip.is_proved
        ),
    )
    odd = [block for block in blocks if block.skip and not _is_simple(block)]
    yield Claim(
        "A skip is the identity or one 1×1 convolution",
        "all",
        "; ".join(f"block {block.number}: {block.skip}" for block in odd) or "all",
    )


def _thrift(anatomy: Anatomy) -> Iterator[Claim]:
    blocks = anatomy.blocks
    dense = [
        layer
        for block in blocks[1:]
        for layer in block.layers
        if not layer.is_separable
    ]
    yield Claim(
        "After the first block each layer is one filter a channel, then 1×1",
        "all",
        "; ".join(map(_in_words, dense)) or "all",
    )
    yield Claim(
        "Counted MACs are H·W·C·(K² + N), block by block",
        f"{len(blocks)} of {len(blocks)}",
        _share([_macs_agree(block) for block in blocks]),
    )
    yield Claim(
        "With standard convolutions they are H·W·C·K²·N, block by block",
        f"{len(blocks)} of {len(blocks)}",
        _share([_standard_agrees(block) for block in blocks]),
    )
    layers = [layer for layer in anatomy.layers if layer.is_separable]
    yield Claim(
        "A separable layer costs 1/N + 1/K² of a standard one, exactly",
        f"{len(layers)} of {len(layers)}",
        _share([Fraction(x.macs, x.standard.macs) == x.theory for x in layers]),
    )


def _sizes(anatomy: Anatomy) -> Iterator[Claim]:
    strides = [min(2**i, anatomy.output_stride) for i in range(len(anatomy.features))]
    yield Claim(
        "A feature has ceil(size / stride) rows and columns",
        ", ".join(str(-(-anatomy.size // stride)) for stride in strides),
        ", ".join(
            str(extent.rows) if extent.rows == extent.cols else str(extent)
            for _, extent in anatomy.features
        ),
    )
    if said := re.fullmatch(r"xception(\d+)p?", anatomy.encoder):
        yield Claim(
            "It has as many convolutional layers as its name says",
            said[1],
            str(len(anatomy.layers)),
        )


def _is_simple(block: Block) -> bool:
    convolutions = block.skip.convolutions if block.skip else ()
    return len(convolutions) <= 1 and all(item.is_pointwise for item in convolutions)


def _in_words(layer: Layer) -> str:
    item = layer.spatial
    return (
        f"{item.name}: {item.kernel}×{item.kernel} in {item.groups} groups of "
        f"{item.in_channels} channels"
    )


def _macs_agree(block: Block) -> bool:
    parts = [part for layer in block.layers for part in layer.parts]
    parts += block.skip.convolutions if block.skip else ()
    return sum(part.formula for part in parts) == block.macs


def _standard_agrees(block: Block) -> bool:
    formula = sum(layer.standard.formula for layer in block.layers)
    return formula == sum(layer.standard.macs for layer in block.layers)


def _share(verdicts: list[bool]) -> str:
    """How many agree, and the first that does not."""
    text = f"{sum(verdicts)} of {len(verdicts)}"
    return text if all(verdicts) else f"{text}, not {verdicts.index(False) + 1}"
