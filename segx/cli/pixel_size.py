"""The option on the size of pixels, of commands that predict."""

import argparse

from segx.errors import ConfigError

__all__ = ["add_pixel_size", "pixel_mm"]


def add_pixel_size(parser: argparse._ActionsContainer) -> None:
    """Let a command be told what scans do not tell."""
    parser.add_argument(
        "--pixel-size",
        type=float,
        nargs="+",
        metavar="UM",
        help="µm a pixel of scans that don't tell: one number, or height and width",
    )


def pixel_mm(sizes: list[float] | None) -> tuple[float, float] | None:
    """Height and width of a pixel in mm, from one or two numbers of micrometres."""
    if sizes is None:
        return None
    if len(sizes) > 2:
        raise ConfigError(
            f"--pixel-size: {len(sizes)} numbers given; allowed are one, or height and "
            "width. Put it last."
        )
    return sizes[0] / 1000, sizes[-1] / 1000
