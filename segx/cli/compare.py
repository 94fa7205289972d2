"""segx compare: two models on the same cases, with paired intervals."""

import argparse
from pathlib import Path

from segx.cli.console import console
from segx.cli.results import comparison_table

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Compare two runs case by case and print the differences."""
    arguments = _parser().parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.evaluation.compare import compare, read_results

    first, second = (read_results(path) for path in (arguments.first, arguments.second))
    found = compare(first, second, metric=arguments.metric)
    console.print(comparison_table(found))
    for item in (*found.classes, found.foreground):
        console.print(f"{item.name}: {item.verdict}", highlight=False)
    for name, cases in (("first", found.only_first), ("second", found.only_second)):
        if cases:
            console.print(
                f"Only in the {name}, left out: {', '.join(cases)}", highlight=False
            )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="segx compare",
        description="Compare two models on the cases that both were measured on: the "
        "second minus the first, patients drawn anew in pairs.",
    )
    for name in ("first", "second"):
        parser.add_argument(
            name, type=Path, help="a run, a folder of `segx evaluate`, or a cases.csv"
        )
    parser.add_argument(
        "--metric",
        choices=("dice", "iou", "sensitivity", "precision", "nsd"),
        default="dice",
    )
    return parser
