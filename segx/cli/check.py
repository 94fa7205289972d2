"""segx check: read a whole data set and list all of its defects."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from segx.cli.console import console, messages
from segx.cli.parser import Parser
from segx.config import FitConfig, read_config

if TYPE_CHECKING:
    from argparse import Namespace

    from segx.data.case import Task
    from segx.data.check import CheckedData
    from segx.data.overview import Overview

__all__ = ["run"]

_T = TypeVar("_T")


def run(argv: list[str]) -> int:
    """Look through a data set as `segx fit` does, and print what is there and wrong.

    Returns:
        1 if there are errors, else 0.
    """
    arguments, given = _parser().parse_with_keys(argv)
    config = _config(arguments, given)
    # Imported here, after wrong use has been refused.
    from segx.atomic import check_writable, write_text
    from segx.cli.findings import findings_json, findings_table, verdict
    from segx.data.layouts import guess_task
    from segx.data.overview import overview

    for path in (arguments.json, arguments.sheet):
        if path not in (None, "-"):
            check_writable(Path(path))
    is_told = arguments.config is not None
    task = arguments.task or (config.task if is_told else guess_task(config.data))
    checked = _check(config, task=task, quiet=arguments.quiet)
    summary = overview(checked)
    # Results go to stdout, which JSON has for itself.
    out = console
    if arguments.json is not None:
        text = findings_json(summary)
        if arguments.json == "-":
            console.file.write(text)
            out = messages
        else:
            write_text(Path(arguments.json), text)
    if arguments.sheet is not None:
        from segx.data.preview import write_preview

        write_preview(arguments.sheet, summary, checked, axis=config.data.axis)
        messages.print(f"Written: {arguments.sheet}", highlight=False)
    out.print(_summary(summary, checked))
    if checked.findings:
        out.print(findings_table(checked.findings, root=summary.root))
    out.print(verdict(checked.findings))
    return 1 if checked.errors else 0


def _parser() -> Parser:
    parser = Parser(
        prog="segx check",
        description="Read every image and mask; list all defects, errors first. Exit 1 "
        "if there are errors; warnings alone are 0.",
        epilog="Keys of a config's data section can be set as in segx fit, such\nas "
        "--data.classes '[background, tumour]' --data.ignore_index 255.",
    )
    parser.add_argument(
        "root", type=Path, nargs="?", help="folder of the data set (default: -c's)"
    )
    parser.add_argument(
        "-c", "--config", help="read the data as this config says (default: unet)"
    )
    parser.add_argument("--manifest", type=Path, help="a CSV file instead of folders")
    parser.add_argument(
        "--task",
        choices=("segmentation", "classification", "multitask", "detection"),
    )
    parser.add_argument(
        "--axis", type=int, choices=(0, 1, 2), help="cut volumes along this axis"
    )
    parser.add_argument("--seed", type=int, help="of the splits that are drawn")
    parser.add_argument(
        "--json", metavar="FILE", help="write all findings to a file; - is stdout"
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="preview.html", help="write one offline page"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    return parser


def _config(arguments: "Namespace", keys: list[tuple[str, Any]]) -> FitConfig:
    """The config that the data are read by, with the command line laid over it."""
    given: dict[str, Any] = {
        "data.root": arguments.root,
        "data.manifest": arguments.manifest,
        "data.axis": arguments.axis,
        "seed": arguments.seed,
    }
    pairs = [
        (key, str(value) if isinstance(value, Path) else value)
        for key, value in given.items()
        if value is not None
    ]
    usual = "faster_rcnn" if arguments.task == "detection" else "unet"
    return read_config(arguments.config or usual, [*pairs, *keys])


def _check(config: FitConfig, *, task: "Task", quiet: bool) -> "CheckedData":
    """Look through the data behind a progress bar."""
    from segx.data.check import check_data

    bar = Progress(
        TextColumn("reading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("cases"),
        console=messages,
        transient=True,
        disable=quiet,
    )
    with bar:
        task_id = bar.add_task("", total=None)
        return check_data(
            config.data,
            task=task,
            seed=config.seed,
            progress=lambda done, total: bar.update(
                task_id, completed=done, total=total
            ),
        )


def _summary(found: "Overview", checked: "CheckedData") -> Table:
    """One table for the whole, one row a class."""
    table = Table(title=str(found.root), show_header=False)
    table.add_row("cases", _cases(found, checked))
    if found.sizes:
        table.add_row("size", _sizes(found))
        table.add_row("channels", f"{found.channels}, {found.dtype}")
    if checked.survey is not None:
        table.add_row("intensity", checked.survey.intensity_source)
    if any(stored != index for stored, index in found.value_map.items()):
        pairs = (f"{stored} is {index}" for stored, index in found.value_map.items())
        table.add_row("mask values", ", ".join(pairs))
    for name in found.class_names:
        shares = (
            f"{_percent(classes[name])} {split}"
            for split, classes in found.class_shares.items()
        )
        table.add_row(f"class {name}", ", ".join(shares))
    return table


def _cases(found: "Overview", checked: "CheckedData") -> str:
    """How many cases each split has, and whether it was given or drawn."""
    given = {case.split for case in checked.layout.cases}
    source = " from train" if "train" in given else ""
    counts = []
    for split, count in found.counts.items():
        is_drawn = split != "train" and split not in given
        counts.append(f"{count} {split}" + (f" (drawn{source})" if is_drawn else ""))
    return ", ".join(counts) or "none"


def _percent(share: float) -> str:
    """A share in per cent, so that what is rare is not said to be absent.

    Examples:
        >>> _percent(0.1234), _percent(0.00002), _percent(0)
        ('12.34 %', '<0.01 %', '0 %')
    """
    if 0 < share < 1e-4:
        return "<0.01 %"
    return f"{share:.2%}".replace("%", " %") if share else "0 %"


def _sizes(found: "Overview") -> str:
    """The smallest and the largest size."""
    sizes = sorted({(item.rows, item.cols) for item in found.sizes})
    planes = sorted({item.planes for item in found.sizes})
    size = " to ".join(f"{rows}x{cols}" for rows, cols in _ends(sizes))
    if planes == [1]:
        return f"{size} px"
    return f"{' to '.join(map(str, _ends(planes)))} planes of {size} px"


def _ends(values: list[_T]) -> list[_T]:
    """The first and the last of some values; one where there is no other."""
    return [values[0], values[-1]] if len(values) > 1 else values
