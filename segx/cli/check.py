"""segx check: read a whole data set and list its defects."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from segx.cli.console import console
from segx.cli.parser import Parser
from segx.config import DataConfig

if TYPE_CHECKING:
    from segx.data.case import Layout
    from segx.data.splits import Splits
    from segx.data.survey import Survey

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Look through a data set as `segx fit` does, and print what it holds.

    All defects are raised as one error, which the caller prints.
    """
    parser = Parser(
        prog="segx check", description="Read every image and mask; list all defects."
    )
    parser.add_argument("root", type=Path, help="folder of the data set")
    parser.add_argument("--manifest", type=Path, help="a CSV file instead of folders")
    parser.add_argument("--task", choices=("segmentation", "classification"))
    parser.add_argument(
        "--seed", type=int, default=0, help="of the splits that are drawn"
    )
    arguments = parser.parse_args(argv)
    # Imported here, after wrong use has been refused.
    from segx.data.layouts import guess_task, read_layout
    from segx.data.splits import identical_files, split
    from segx.data.survey import survey

    data = DataConfig(root=arguments.root, manifest=arguments.manifest)
    task = arguments.task or guess_task(data)
    layout = read_layout(data, task=task)
    same = identical_files(layout.cases)
    splits = split(layout, data, seed=arguments.seed, same=same)
    found = survey(layout, data, task=task, splits=splits)
    _show(layout, splits, found)
    return 0


def _show(layout: "Layout", splits: "Splits", found: "Survey") -> None:
    """One table for the whole, one row a class."""
    sizes = sorted({(extent.rows, extent.cols) for extent in found.extents.values()})
    smallest, largest = sizes[0], sizes[-1]
    table = Table(title=str(layout.root), show_header=False)
    table.add_row(
        "cases", ", ".join(f"{len(cases)} {name}" for name, cases in splits.items())
    )
    size = f"{smallest[0]}x{smallest[1]} to {largest[0]}x{largest[1]} px"
    planes = found.planes.values()
    if max(planes) > 1:
        size = f"{min(planes)} to {max(planes)} planes of {size}"
    table.add_row("size", size)
    table.add_row("channels", f"{found.channels}, {found.dtype}")
    table.add_row("intensity", found.intensity_source)
    if any(stored != index for stored, index in found.value_map.items()):
        pairs = (f"{stored} is {index}" for stored, index in found.value_map.items())
        table.add_row("mask values", ", ".join(pairs))
    for name, share in found.class_fractions.items():
        table.add_row(f"class {name}", f"{share:.2%}")
    console.print(table)
    for warning in found.warnings:
        console.print(f"[yellow]warning[/] {warning}", highlight=False)
    if not found.warnings:
        console.print("No defects, no warnings.")
