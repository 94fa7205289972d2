"""How an encoder's anatomy is shown in a terminal: blocks, layers, claims."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from rich import box
from rich.table import Table
from rich.text import Text

from segx.models.anatomy import (
    Anatomy,
    Block,
    Claim,
    folded,
    with_classifier,
)
from segx.models.anatomy.words import (
    block_channels,
    block_layers,
    block_numbers,
    stem_note,
)

__all__ = ["block_table", "claim_table", "in_short", "layer_table", "verdict"]


def block_table(anatomy: Anatomy) -> Table:
    """One row a block, alike ones in one row with their sum, flow by flow."""
    table = Table(
        title=f"{anatomy.encoder}, one image of {anatomy.size}x{anatomy.size} px",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        pad_edge=False,
        show_footer=True,
    )
    footers = _totals(anatomy)
    # On a terminal of fewer than 100 columns cells are folded: no digit is lost.
    for head in ("block", "layers", "channels", "skip"):
        table.add_column(head, footer=next(footers), overflow="fold")
    for head in ("size", "params", "GMACs", "standard", "ratio", "theory"):
        table.add_column(head, footer=next(footers), overflow="fold", justify="right")
    for flow, blocks in anatomy.flows.items():
        table.add_row(Text(flow, style="italic"))
        for run in folded(blocks):
            table.add_row(*_row(run))
        table.add_section()
    return table


def layer_table(anatomy: Anatomy) -> Table:
    """One row a convolutional layer, those of skips aside."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("layer", overflow="fold")
    heads = ("kernel", "groups", "pointwise", "size", "weights", "MMACs", "standard")
    for head in (*heads, "1/N+1/K²"):
        table.add_column(head, overflow="fold", justify="right")
    for block in anatomy.blocks:
        for layer in block.layers:
            item, mixing = layer.spatial, layer.pointwise
            marks = f" ↓{item.stride}" * (item.stride > 1)
            marks += f" d{item.dilation}" * (item.dilation > 1)
            pair = f"{layer.in_channels}→{layer.out_channels}"
            table.add_row(
                layer.name,
                f"{item.kernel}×{item.kernel}{marks}",
                str(item.groups),
                f"1×1 {pair}" if mixing else pair,
                f"{item.extent}",
                f"{layer.parameters:,}",
                f"{layer.macs / 1e6:.1f}",
                f"{layer.standard.macs / 1e6:.0f}",
                _four(layer.theory if mixing else None),
            )
        table.add_section()
    return table


def in_short(anatomy: Anatomy) -> str:
    """What the table's words mean, and the whole in a few sentences."""
    times = anatomy.standard_macs / anatomy.macs
    whole = f"{with_classifier(anatomy):,} with 3 channels and 1000 classes"
    standard = f"{anatomy.standard_parameters:,} with standard convolutions"
    lines = [
        "sep 3×3: each channel has its own 3×3 filter (groups = channels), then a 1×1.",
        "standard: GMACs with standard convolutions. ratio: of separable to standard",
        "layers, as counted; theory: 1/N + 1/K² for N channels given and K×K kernels.",
        f"{anatomy.parameters:,} parameters; {whole};",
        f"{standard}, which multiply {times:.1f} times as often.",
    ]
    if anatomy.encoder == "legacy_xception":
        lines.append(stem_note(anatomy))
    return "\n".join(lines)


def claim_table(claims: Sequence[Claim]) -> Table:
    """One row a claim; of one that fails, what was expected and what was found."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("claim", max_width=54)
    table.add_column("found")
    table.add_column("Chollet 2017", no_wrap=True)
    for claim in claims:
        found = Text(claim.found)
        if not claim.holds:
            found.append(f"\nexpected: {claim.expected}", style="red")
        mark = Text("✓", style="green") if claim.holds else Text("✗", style="red")
        table.add_row(mark, claim.text, found, claim.source)
    return table


def verdict(claims: Sequence[Claim]) -> Text:
    """The last line: whether all hold."""
    failed = sum(not claim.holds for claim in claims)
    if failed:
        return Text(f"{failed} of {len(claims)} claims fail.", style="red")
    return Text(f"All {len(claims)} claims hold.", style="green")


def _row(run: tuple[Block, ...]) -> list[str]:
    first, count = run[0], len(run)
    return [
        block_numbers(run),
        block_layers(first),
        block_channels(first),
        str(first.skip or "–"),
        str(first.extent),
        _millions(count * first.parameters),
        _giga(count * first.macs),
        _giga(count * first.standard_macs),
        _four(first.ratio),
        _four(first.theory),
    ]


def _totals(anatomy: Anatomy) -> Iterator[str]:
    """The last row, column by column."""
    skips = sum(block.skip is not None for block in anatomy.blocks)
    yield from ("total", f"{len(anatomy.layers)} layers", "", f"{skips} skips", "")
    yield _millions(anatomy.parameters)
    yield from (_giga(anatomy.macs), _giga(anatomy.standard_macs), "", "")


def _millions(number: int) -> str:
    return f"{number / 1e6:.2f}M"


def _giga(number: int) -> str:
    return f"{number / 1e9:.2f}"


def _four(share: Fraction | None) -> str:
    return "" if share is None else f"{float(share):.4f}"
