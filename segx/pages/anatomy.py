"""The page of an encoder: its flow as a drawing, its cost, its claims, its layers."""

from collections.abc import Sequence

from segx.models.anatomy import Anatomy, Block, Claim, folded, with_classifier
from segx.models.anatomy.laws import in_runs
from segx.models.anatomy.words import (
    block_channels,
    block_layers,
    block_numbers,
    stem_note,
)
from segx.pages.anatomy_flow import flow_drawing
from segx.pages.bars import bar_pairs
from segx.pages.blocks import (
    Cell,
    Chart,
    Charts,
    Column,
    Headline,
    Notice,
    Page,
    Section,
    Table,
    Text,
)

__all__ = ["anatomy_page"]


def anatomy_page(anatomy: Anatomy, claims: Sequence[Claim]) -> Page:
    """Everything that `segx describe` knows of an encoder.

    Args:
        anatomy: For the size of image that is shown.
        claims: What is claimed of it.
    """
    layers, blocks = len(anatomy.layers), len(anatomy.blocks)
    return Page(
        kicker="segx describe",
        title=anatomy.encoder,
        lead=(
            f"{layers} convolutional layers in {blocks} blocks, measured on its own "
            f"modules for one image of {anatomy.size}x{anatomy.size} px with "
            f"{anatomy.in_channels} channels."
        ),
        top=[_headline(anatomy, claims), *_failures(claims)],
        sections=[
            Section("The flow", _flow(anatomy)),
            Section("What it costs", _cost(anatomy)),
            Section("What is claimed", [_claim_table(claims)]),
            Section("Every layer", [_layer_table(anatomy)]),
        ],
        foot="Sizes by hooks on the modules, operations counted by torch.",
    )


def _headline(anatomy: Anatomy, claims: Sequence[Claim]) -> Headline:
    times = anatomy.standard_macs / anatomy.macs
    held = sum(claim.holds for claim in claims)
    whole = f"{with_classifier(anatomy):,} with 3 channels and 1000 classes"
    standard = (
        f"{anatomy.standard_macs / 1e9:.1f} GMACs and "
        f"{anatomy.standard_parameters:,} parameters"
    )
    return Headline(
        [
            ("parameters", anatomy.parameters, whole),
            ("GMACs", anatomy.macs / 1e9, "multiply-accumulate operations an image"),
            ("with standard convolutions", f"{times:.1f} ×", standard),
            ("claims that hold", f"{held} of {len(claims)}", "the paper's and segx's"),
        ]
    )


def _failures(claims: Sequence[Claim]) -> list[Notice]:
    return [
        Notice("error", f"{item.text}: {item.found} found, {item.expected} expected.")
        for item in claims
        if not item.holds
    ]


def _flow(anatomy: Anatomy) -> list[Text | Charts]:
    charts = []
    given = f"image, {anatomy.size}×{anatomy.size}×{anatomy.in_channels}"
    for name, blocks in anatomy.flows.items():
        if not blocks:
            continue
        drawn = flow_drawing(blocks, given=given, title=f"The {name} flow")
        charts.append(Chart(drawn, _flow_caption(name, blocks)))
        last = blocks[-1]
        given = f"{last.extent.rows}×{last.extent.cols}×{last.channels[-1]}"
    notes = [Text(stem_note(anatomy))] if anatomy.encoder == "legacy_xception" else []
    return [
        Text(
            "A separable layer filters each channel with a kernel of its own "
            "(depthwise: as many groups as channels), then mixes the channels of each "
            "pixel (pointwise, 1×1). The way around a block is its skip, added at ⊕. "
            "Numbers are channels given; ↓2 halves the size. Norms are not drawn."
        ),
        Charts(charts),
        *notes,
    ]


def _flow_caption(name: str, blocks: Sequence[Block]) -> str:
    layers = sum(len(block.layers) for block in blocks)
    numbers = in_runs(block.number for block in blocks)
    proved = [b.number for b in blocks if b.skip is not None and b.skip.is_proved]
    what = f"{name.capitalize()} flow: blocks {numbers}, {layers} layers."
    if not proved:
        return what
    return f"{what} With branches at zero exactly the skip is left: {in_runs(proved)}."


def _cost(anatomy: Anatomy) -> list[Text | Charts | Table]:
    runs = [run for blocks in anatomy.flows.values() for run in folded(blocks)]
    gmacs = [
        (len(run) * run[0].macs / 1e9, len(run) * run[0].standard_macs / 1e9)
        for run in runs
    ]
    millions = [
        (
            len(run) * run[0].parameters / 1e6,
            len(run) * run[0].standard_parameters / 1e6,
        )
        for run in runs
    ]
    return [
        Text(
            "A separable layer with N channels given and a kernel of K×K costs "
            "1/N + 1/K² of a standard one: H·W·C·(K² + N) instead of H·W·C·K²·N "
            "operations. Ratio is what was counted, of the separable layers; theory is "
            "that formula, weighted by cost where layers differ.",
            is_policy=True,
        ),
        Charts(
            [
                _bars(runs, gmacs, "GMACs"),
                _bars(runs, millions, "million parameters"),
            ]
        ),
        _block_table(anatomy, runs),
    ]


def _bars(
    runs: Sequence[tuple[Block, ...]], pairs: list[tuple[float, float]], axis: str
) -> Chart:
    rows = [(block_numbers(run), *pair) for run, pair in zip(runs, pairs, strict=True)]
    drawn = bar_pairs(rows, axis=axis, title=f"{axis} of each block")
    caption = f"{axis[0].upper()}{axis[1:]} of each block, alike ones together: "
    return Chart(drawn, f"{caption}full as it is, empty with standard convolutions.")


def _block_table(anatomy: Anatomy, runs: Sequence[tuple[Block, ...]]) -> Table:
    columns = [
        Column("block", is_text=True),
        Column("modules", is_text=True),
        Column("layers", is_text=True),
        Column("channels", is_text=True),
        Column("skip", is_text=True),
        Column("size"),
        Column("parameters"),
        Column("GMACs"),
        Column("standard"),
        Column("ratio", digits=5),
        Column("theory", digits=5),
    ]
    totals: list[Cell] = [
        "total", "", f"{len(anatomy.layers)} layers", "", "", "", anatomy.parameters,
        anatomy.macs / 1e9, anatomy.standard_macs / 1e9, "", "",
    ]  # fmt: skip
    return Table(
        f"Blocks, alike ones in one row with their sum; n = {len(anatomy.blocks)}.",
        columns,
        [_block_row(run) for run in runs],
        totals=[totals],
    )


def _block_row(run: tuple[Block, ...]) -> list[Cell]:
    first, count = run[0], len(run)
    return [
        block_numbers(run),
        first.name if count == 1 else f"{first.name} to {run[-1].name}",
        block_layers(first),
        block_channels(first).replace("→", " → "),
        str(first.skip or "none"),
        str(first.extent),
        count * first.parameters,
        count * first.macs / 1e9,
        count * first.standard_macs / 1e9,
        None if first.ratio is None else float(first.ratio),
        None if first.theory is None else float(first.theory),
    ]


def _claim_table(claims: Sequence[Claim]) -> Table:
    columns = ["claim", "expected", "found", "holds", "Chollet 2017"]
    return Table(
        f"What is claimed of the encoder for 299x299 px; n = {len(claims)}.",
        [Column(title, is_text=True) for title in columns],
        [
            [
                claim.text,
                claim.expected,
                claim.found,
                "yes" if claim.holds else "NO",
                claim.source or "–",
            ]
            for claim in claims
        ],
    )


def _layer_table(anatomy: Anatomy) -> Table:
    titles = [
        "block", "kernel", "stride", "dilation", "groups", "channels in", "out", "size",
        "parameters", "MMACs", "standard", "1/N + 1/K²",
    ]  # fmt: skip
    rows: list[list[Cell]] = []
    for block in anatomy.blocks:
        for layer in block.layers:
            item = layer.spatial
            rows.append(
                [
                    layer.name,
                    block.number,
                    f"{item.kernel}×{item.kernel}" + ", 1×1" * layer.is_separable,
                    item.stride,
                    item.dilation,
                    item.groups,
                    layer.in_channels,
                    layer.out_channels,
                    str(item.extent),
                    layer.parameters,
                    layer.macs / 1e6,
                    layer.standard.macs / 1e6,
                    float(layer.theory) if layer.is_separable else None,
                ]
            )
    digits = {"1/N + 1/K²": 5, "MMACs": 1, "standard": 1}
    return Table(
        f"Convolutional layers, those of skips aside; n = {len(rows)}. Groups and "
        "stride are the first kernel's.",
        [
            Column("module", is_text=True),
            *(Column(title, digits=digits.get(title, 3)) for title in titles),
        ],
        rows,
        is_long=True,
    )
