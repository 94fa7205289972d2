"""What benches that train are told on the command line, and how segx is told of it."""

import argparse
from collections.abc import Iterable
from pathlib import Path

__all__ = ["add_sets", "as_flags", "bench_parser", "sets_of"]


def bench_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with what all of them take: seeds, and places for what is found.

    Args:
        description: The module's docstring.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--keep", type=Path, help="folder for runs and finished lines")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


def add_sets(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Let a bench be told several data sets: see `sets_of`."""
    parser.add_argument(
        "--data",
        nargs="+",
        action="append",
        required=required,
        default=[],
        metavar=("ROOT", "SET"),
        help="a folder and the names of data sets in it; may be given again",
    )


def sets_of(arguments: argparse.Namespace) -> list[Path]:
    """The folders of the data sets that `add_sets` let a bench be told."""
    return [Path(root, name) for root, *names in arguments.data for name in names]


def as_flags(options: Iterable[str]) -> list[str]:
    """Each ``KEY=VALUE`` as two arguments of segx fit."""
    pairs = (option.partition("=") for option in options)
    return [part for key, _, value in pairs for part in (f"--{key}", value)]
