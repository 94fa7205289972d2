"""segx describe: an encoder laid bare, and held against the paper."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segx.cli.console import console, messages
from segx.cli.parser import Parser, positive
from segx.config.names import did_you_mean
from segx.errors import ConfigError

if TYPE_CHECKING:
    from segx.models.encoder import XceptionEncoder

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Show what an encoder is made of.

    Returns:
        1 if its claims were checked and one fails, else 0.
    """
    arguments = _parser().parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.atomic import check_writable
    from segx.cli.anatomy_tables import (
        block_table,
        claim_table,
        in_short,
        layer_table,
        verdict,
    )
    from segx.models.anatomy import PAPER_SIZE, claims_of, dissect

    if arguments.html is not None:
        check_writable(arguments.html)
    encoder = _encoder(arguments)
    anatomy = dissect(encoder, arguments.size)
    console.print(block_table(anatomy))
    if arguments.layers:
        console.print(layer_table(anatomy))
    console.print(in_short(anatomy), highlight=False)
    if not (arguments.check or arguments.html):
        return 0
    of_paper = arguments.size == PAPER_SIZE
    claims = claims_of(anatomy if of_paper else dissect(encoder, PAPER_SIZE))
    if arguments.html is not None:
        from segx.pages import write_page
        from segx.pages.anatomy import anatomy_page

        write_page(arguments.html, anatomy_page(anatomy, claims))
        messages.print(f"Written: {arguments.html}", highlight=False, soft_wrap=True)
    if not arguments.check:
        return 0
    console.print(claim_table(claims))
    console.print(verdict(claims))
    return 0 if all(claim.holds for claim in claims) else 1


def _parser() -> Parser:
    parser = Parser(
        prog="segx describe",
        description="Show what an encoder is made of, measured on its own modules: "
        "blocks, kernels, channels, skips, sizes, parameters and cost, beside what "
        "standard convolutions would cost.",
    )
    parser.add_argument(
        "encoder",
        metavar="ENCODER|RUN",
        help="an encoder's name, or a run folder, a .ckpt or a model folder",
    )
    parser.add_argument(
        "--size",
        type=positive,
        default=299,
        help="side of the image in pixels (default: 299)",
    )
    parser.add_argument(
        "--in-channels", type=int, help="channels of the image (default: 3)"
    )
    parser.add_argument(
        "--output-stride",
        type=int,
        help="stride of the deepest feature: 32, or where the encoder can, 16 or 8",
    )
    parser.add_argument(
        "--layers", action="store_true", help="show every convolution as well"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="hold it, at 299 px, against Chollet's paper and the arithmetic of its "
        "convolutions; exit 1 if a claim fails",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="draw it on a page")
    return parser


def _encoder(arguments: argparse.Namespace) -> "XceptionEncoder":
    """The encoder of that name, or that of a trained model."""
    from segx.models.encoder import ENCODERS, XceptionEncoder

    name = arguments.encoder
    if name in ENCODERS:
        return XceptionEncoder(
            name,
            3 if arguments.in_channels is None else arguments.in_channels,
            output_stride=(
                32 if arguments.output_stride is None else arguments.output_stride
            ),
        )
    if not Path(name).exists():
        raise ConfigError(
            f"{name!r} is neither an encoder nor a run. {did_you_mean(name, ENCODERS)}"
        )
    if arguments.in_channels is not None or arguments.output_stride is not None:
        raise ConfigError(
            "--in-channels and --output-stride are those that a trained model has: "
            "leave them out, or give an encoder's name."
        )
    from segx.artifact import load_model

    return load_model(name).network.encoder
