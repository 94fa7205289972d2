"""segx decoders: the decoders, with options, parameters and cost."""

from rich import box
from rich.table import Table

from segx.cli.console import console
from segx.cli.parser import Parser, positive
from segx.config.names import did_you_mean
from segx.errors import ConfigError

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """List all decoders, or show one with its options."""
    parser = Parser(
        prog="segx decoders",
        description="List the decoders, or show the options of one. Swap them by one "
        "key: --model.decoder FPN --model.decoder.dropout 0.1",
    )
    parser.add_argument("name", nargs="?", help="show this one")
    parser.add_argument(
        "--encoder", default="xception41", help="the encoder they stand on"
    )
    parser.add_argument(
        "--size", type=positive, default=512, help="side of the image in pixels"
    )
    arguments = parser.parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.models.encoder import ENCODERS

    if arguments.encoder not in ENCODERS:
        near = did_you_mean(arguments.encoder, ENCODERS)
        raise ConfigError(f"--encoder: unknown name {arguments.encoder!r}. {near}")
    if arguments.name is None:
        _show_all(arguments.encoder, arguments.size)
    else:
        _show_one(arguments.name, arguments.encoder, arguments.size)
    return 0


def _show_all(encoder: str, size: int) -> None:
    from segx.models.decoder_table import decoder_table

    title = f"Decoders on {encoder}, one image of {size}x{size} px"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("decoder", no_wrap=True)
    for head in ("params", "GMACs", "strides"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("options")
    for row in decoder_table(encoder, size=size):
        table.add_row(
            row.name,
            f"{row.parameters / 1e6:.2f} M",
            f"{row.macs / 1e9:.1f}",
            " ".join(str(stride) for stride in row.output_strides),
            ", ".join(option.name for option in row.options),
        )
    console.print(table)
    console.print("One of them, with its options: segx decoders FPN", highlight=False)


def _show_one(name: str, encoder: str, size: int) -> None:
    from segx.models.decoder_table import describe_decoder
    from segx.models.decoders import DECODERS

    if name not in DECODERS:
        raise ConfigError(f"Unknown decoder {name!r}. {did_you_mean(name, DECODERS)}")
    row = describe_decoder(name, encoder=encoder, size=size)
    strides = ", ".join(str(stride) for stride in row.output_strides)
    console.print(f"[bold]{row.name}[/]  {row.summary}", highlight=False)
    console.print(f"{row.reference}; from {row.source}", highlight=False)
    console.print(
        f"{row.parameters / 1e6:.2f} M parameters, {row.macs / 1e9:.1f} GMACs on "
        f"{row.encoder} at output stride {row.output_stride}, {size}x{size} px; stands "
        f"on output stride {strides}",
        highlight=False,
    )
    table = Table(
        "option", "allowed", "default", "meaning", box=box.SIMPLE_HEAD, padding=(0, 1)
    )
    for option in row.options:
        table.add_row(option.name, option.allowed, str(option.default), option.meaning)
    console.print(table)
    console.print(
        f"Set one: --model.decoder.{row.options[0].name} VALUE", highlight=False
    )
