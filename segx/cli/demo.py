"""segx demo: the whole road on a small data set that it paints itself."""

import shlex
import shutil
from pathlib import Path

from rich.markup import escape

from segx.cli.console import console
from segx.cli.parser import Parser
from segx.errors import TrainingError

__all__ = ["run"]

# Leaves a minute of the four for painting, checking, testing and the big scan.
BUDGET = "120s"


def run(argv: list[str]) -> int:
    """Paint data, check, train, test and predict a big scan; each step is a command."""
    parser = Parser(
        prog="segx demo",
        description="Make a small data set of cells, check it, train, test and predict "
        "a 2048x2048 scan in tiles: about four minutes on two cores.",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("segx-demo"))
    parser.add_argument("--budget", default=BUDGET, help="time to train, such as 120s")
    parser.add_argument("--again", action="store_true", help="replace an earlier demo")
    arguments = parser.parse_args(argv)
    folder = arguments.folder
    # Imported here, after wrong use has been refused.
    from segx.atomic import check_folder
    from segx.cli import check, fit, predict, test
    from segx.data.cells import write_cells
    from segx.training.budget import parse_budget

    parse_budget(arguments.budget)
    check_folder(folder)
    _make_room(folder, again=arguments.again)
    _say(1, f"Painting cells: {folder}/data")
    cells = write_cells(folder / "data")
    data, runs, run_folder = (
        str(folder / "data"),
        str(folder / "runs"),
        str(folder / "runs/cells"),
    )
    classes = ["--data.classes", "[background, cytoplasm, nucleus]"]
    words = ["-c", "demo", "--data.root", data, "--name", "cells", "--runs", runs]
    words += ["--budget", arguments.budget, *classes]
    scan, masks = str(cells.scan), str(folder / "masks")
    steps = (
        ("check", check.run, [data, *classes]),
        ("fit", fit.run, words),
        ("test", test.run, [run_folder]),
        ("predict", predict.run, [run_folder, scan, "-o", masks]),
    )
    for number, (name, command, given) in enumerate(steps, start=2):
        _say(number, shlex.join(["segx", name, *given]))
        code = command(given)
        if code != 0:
            return code
    _farewell(folder)
    return 0


def _make_room(folder: Path, *, again: bool) -> None:
    """An earlier demo is replaced on demand; anything else is never removed."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not again:
        raise TrainingError(
            f"{folder} exists already. Look at it, make the demo again with --again, "
            "or name another folder: segx demo FOLDER"
        )
    ours = {"data", "runs", "masks"}
    strange = sorted(item.name for item in folder.iterdir() if item.name not in ours)
    if strange:
        raise TrainingError(
            f"{folder} is no demo: it holds {', '.join(strange[:3])}. Name another "
            "folder: segx demo FOLDER"
        )
    shutil.rmtree(folder)


def _say(step: int, text: str) -> None:
    console.rule(f"[bold]{step}/5[/] {escape(text)}", align="left")


def _farewell(folder: Path) -> None:
    console.rule("Done", align="left")
    console.print(_FAREWELL.format(folder=folder), highlight=False)


_FAREWELL = """\
Look at   {folder}/masks/scan_overlay.png   the big scan, its mask drawn over it
          {folder}/runs/cells/test/         report.html: what the masks are worth
          {folder}/runs/cells/overlays/     validation: truth left, prediction right
          {folder}/data/                    how a data set is laid out
Your own  segx check DIR
          segx fit -c unet --data.root DIR --name mine --budget 30m
          segx test runs/mine
          segx predict runs/mine SCAN… -o OUT"""
