"""segx configs: the stock configs, or the text of one."""

import argparse
import sys

from segx.cli.console import console
from segx.config import find_config, stock_configs

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """List the stock configs with their first line, or print one to start from."""
    parser = argparse.ArgumentParser(
        prog="segx configs", description="List the stock configs, or print one."
    )
    parser.add_argument(
        "name", nargs="?", help="print this one: segx configs unet > my.yaml"
    )
    arguments = parser.parse_args(argv)
    if arguments.name:
        sys.stdout.write(find_config(arguments.name).read_text(encoding="utf-8"))
        return 0
    for path in stock_configs():
        first = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        console.print(f"  {path.stem:<16} {first}", highlight=False)
    return 0
