"""Blocks in few words, for tables and drawings."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from segx.models.anatomy.blocks import Anatomy, Block, Layer

__all__ = ["block_channels", "block_layers", "block_numbers", "layer_name", "stem_note"]


def block_numbers(run: Sequence[Block]) -> str:
    """The numbers of blocks that are alike, such as ``5–12 ×8``."""
    first, last = run[0].number, run[-1].number
    return f"{first}" if len(run) == 1 else f"{first}–{last} ×{len(run)}"


def layer_name(layer: Layer) -> str:
    """What a layer is, its stride aside: ``sep 3×3`` or ``conv 3×3``."""
    item = layer.spatial
    kind = "sep" if layer.is_separable else "conv"
    grouped = "" if layer.is_separable or item.groups == 1 else f" /{item.groups}"
    dilated = f" dil {item.dilation}" if item.dilation > 1 else ""
    return f"{kind} {item.kernel}×{item.kernel}{grouped}{dilated}"


def block_layers(block: Block) -> str:
    """Its layers, those alike counted, and how it reduces: by a stride or a pool."""
    counts = Counter(map(layer_name, block.layers))
    words = ", ".join(f"{n} {name}" if n > 1 else name for name, n in counts.items())
    stride = max(layer.spatial.stride for layer in block.layers)
    if block.pool:
        return f"{words}, pool"
    return f"{words} ↓{stride}" if stride > 1 else words


def block_channels(block: Block) -> str:
    """What it takes, and what its layers give, each change once: ``64→128``."""
    first, *outs = block.channels
    return "→".join(map(str, (first, *(value for value, _ in groupby(outs)))))


def stem_note(anatomy: Anatomy) -> str:
    """What padding the stem of Chollet's Xception changes, and why it is padded."""
    unpadded = (anatomy.size - 3) // 2 + 1 - 2
    middle = unpadded
    for _ in range(3):
        middle = -(-middle // 2)
    entry = anatomy.flows["entry"]
    return (
        f"The stem is padded: it gives {entry[0].extent}, where the paper's gives "
        f"{unpadded}x{unpadded}; the entry flow then ends at {entry[-1].extent} "
        f"(unpadded: {middle}x{middle}). So feature i has exactly ceil(size / 2^i) "
        "pixels, and a decoder can join them; the weights are the same."
    )
