"""segx configs: the stock configs, or the text of one."""

import sys

from segx.cli.console import console
from segx.cli.parser import Parser
from segx.config import find_config, stock_configs

__all__ = ["config_lines", "run"]


def run(argv: list[str]) -> int:
    """List the stock configs with their first line, or print one to start from."""
    parser = Parser(
        prog="segx configs", description="List the stock configs, or print one."
    )
    parser.add_argument(
        "name", nargs="?", help="print this one: segx configs unet > my.yaml"
    )
    arguments = parser.parse_args(argv)
    if arguments.name:
        sys.stdout.write(find_config(arguments.name).read_text(encoding="utf-8"))
        return 0
    for line in config_lines():
        console.print(line, highlight=False)
    return 0


def config_lines() -> list[str]:
    """The name of each stock config and what it says of itself."""
    lines = []
    for path in stock_configs():
        first = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"  {path.stem:<16} {first}")
    return lines
