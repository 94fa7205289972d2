"""Test Dice after the same training time: segx fit against U-Nets of smp.

    python scripts/bench/accuracy.py --data DIR isbi2012_em drive --json out.json

Each data set is a folder with train/ and test/, each with images/ and masks/. The peers
(`smp_unet.py` has the recipes) run one after another, never together; all
sets with the first seed, then all with the next, the plain peer with the first alone.
`--nnunet PYTHON`, of an environment as `tiled_nnunet.py` says, adds nnU-Net on a GPU.
With --keep FOLDER every finished line is kept, and a run that was interrupted goes on
from there.
"""

import argparse
import json
import shutil
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peers
from kept import kept, place_of, write_lines
from options import add_sets, as_flags, bench_parser, sets_of
from peers import console
from rich.table import Table
from smp_unet import RECIPES

from segx.evaluation.cases import CaseRow, read_cases
from segx.evaluation.records import Json, number_or_null
from segx.evaluation.summary import summarise
from segx.metrics import defined_mean

__all__ = ["Line", "main"]

PEERS = (*RECIPES, "segx")
NNUNET = "nnunet"


@dataclass(frozen=True)
class Line:
    """What one peer reached on one data set.

    Args:
        data: Name of the data set.
        peer: A recipe of `smp_unet.py`, ``segx`` or ``nnunet``.
        seed: Seed of the run.
        budget_s: Seconds asked for.
        spent_s: Seconds that the training took.
        steps: Optimizer steps made.
        dice: Mean test Dice over cases, then over foreground classes.
        cases: Dice of each test case, mean over its classes; None if not defined.
        settings: segx's stock config and what was changed in it.
    """

    data: str
    peer: str
    seed: int
    budget_s: float
    spent_s: float
    steps: int
    dice: float
    cases: dict[str, float | None]
    settings: tuple[str, ...]


def main() -> None:
    """Measure all peers on all sets, print tables, write the JSON."""
    arguments = _parser().parse_args()
    with place_of(arguments.keep) as folder:
        _measure(arguments, folder)


def _measure(arguments: argparse.Namespace, folder: Path) -> None:
    changed: dict[str, tuple[str, ...]] = {}
    for name, *options in arguments.option:
        changed[name] = (*changed.get(name, ()), *options)
    lines = []
    roots = sets_of(arguments)
    compared = [*arguments.peers, *([NNUNET] if arguments.nnunet else [])]
    for seed in arguments.seeds:
        is_first = seed == arguments.seeds[0]
        for root in roots:
            trial = _Trial(
                root,
                seed,
                budget_s=arguments.seconds,
                config=arguments.config,
                options=changed.get(root.name, ()),
                nnunet=arguments.nnunet,
                folder=folder,
            )
            found = [
                trial.line(peer) for peer in compared if peer != "plain" or is_first
            ]
            console.print(_case_table(found))
            lines += found
    console.print(_table(lines))
    write_lines(arguments.json, [asdict(line) for line in lines])


@dataclass(frozen=True)
class _Trial:
    """One data set and seed, that every peer is tried on.

    Args:
        root: Folder of the data set.
        seed: Seed of the runs.
        budget_s: Seconds to train.
        config: segx's stock config.
        options: ``KEY=VALUE`` changed in it.
        nnunet: The Python of nnU-Net's environment, if it is wanted.
        folder: Where runs and finished lines are kept.
    """

    root: Path
    seed: int
    budget_s: float
    config: str
    options: tuple[str, ...]
    nnunet: Path | None
    folder: Path

    def line(self, peer: str) -> Line:
        """The line kept by an earlier call, or a new one."""
        name = f"{self.root.name}-{peer}-seed{self.seed}-{self.budget_s:g}s"
        changed = [self.config, *self.options] if peer == "segx" else []
        settings: dict[str, Json] = {
            "data": self.root.name,
            "peer": peer,
            "seed": self.seed,
            "budget_s": self.budget_s,
            "settings": changed,
        }
        run = self.folder / "runs" / name
        path = self.folder / "lines" / f"{name}.json"
        fields: dict[str, Any] = kept(
            path, settings, lambda: _scores(*self._measure(peer, run))
        )
        return Line(**{**fields, "settings": tuple(fields["settings"])})

    def _measure(self, peer: str, run: Path) -> tuple[float, int, list[CaseRow]]:
        if peer == "segx":
            return self._segx(run)
        if self.nnunet is not None and peer == NNUNET:
            return self._script(peers.script("nnunet_fit.py", python=self.nnunet), run)
        return self._script(peers.script("smp_unet.py", "--recipe", peer), run)

    def _script(
        self, command: list[str], run: Path
    ) -> tuple[float, int, list[CaseRow]]:
        if run.exists():  # interrupted, or measured with other settings
            shutil.rmtree(run)
        command += ["--data", str(self.root), "--out", str(run)]
        command += ["--seconds", str(self.budget_s), "--seed", str(self.seed)]
        peers.run(command, log=run.with_suffix(".log"))
        found = json.loads((run / "run.json").read_text(encoding="utf-8"))
        return found["seconds"], found["steps"], read_cases(run / "cases.csv")

    def _segx(self, run: Path) -> tuple[float, int, list[CaseRow]]:
        command = peers.segx("fit", "-c", self.config, "--data.root", self.root)
        command += ["--budget", f"{self.budget_s:g}s", "--seed", str(self.seed)]
        command += as_flags(self.options)
        spent_s, steps = peers.fit(command, run)
        return spent_s, steps, read_cases(run / "test" / "cases.csv")


def _scores(spent_s: float, steps: int, rows: list[CaseRow]) -> dict[str, Json]:
    """What a run came to, as a line has it."""
    return {
        "spent_s": spent_s,
        "steps": steps,
        "dice": summarise(rows).foreground.dice.value,
        "cases": _by_case(rows),
    }


def _by_case(rows: list[CaseRow]) -> dict[str, float | None]:
    """Dice of each case, mean over its classes; None where it is not defined."""
    scores = defaultdict(list)
    for row in rows:
        # segx puts the split before stems that are not unique in the whole set.
        scores[row.case.removeprefix("test-")].append(row.counts.dice)
    return {case: number_or_null(defined_mean(scores[case])) for case in sorted(scores)}


def _case_table(lines: list[Line]) -> Table:
    """Dice of every test case, side by side."""
    table = Table("case", *(line.peer for line in lines))
    table.title = f"{lines[0].data}, seed {lines[0].seed}: test Dice"
    for case in sorted({case for line in lines for case in line.cases}):
        table.add_row(case, *(_number(line.cases.get(case)) for line in lines))
    return table


def _table(lines: list[Line]) -> Table:
    """One row a run, the mean of the seeds below where there are several."""
    table = Table(title="Test Dice: mean over cases, then over classes")
    for column in ("data set", "seed", "peer", "training s", "steps", "cases", "Dice"):
        table.add_column(column)
    by_trial = defaultdict(list)
    for line in lines:
        by_trial[line.data, line.peer].append(line)
    for line in sorted(lines, key=lambda line: line.data):
        table.add_row(
            line.data,
            str(line.seed),
            line.peer,
            f"{line.spent_s:.0f}",
            str(line.steps),
            str(len(line.cases)),
            f"{line.dice:.3f}",
        )
    for (data, peer), runs in by_trial.items():
        if len(runs) > 1:
            mean = defined_mean(line.dice for line in runs)
            table.add_row(data, "all", peer, "", "", "", f"[bold]{mean:.3f}[/]")
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser(__doc__)
    add_sets(parser)
    parser.add_argument("--seconds", type=float, default=300, help="time to train")
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=PEERS, help="those to measure"
    )
    parser.add_argument(
        "--nnunet", type=Path, metavar="PYTHON", help="of nnU-Net's environment"
    )
    parser.add_argument("--config", default="unet", help="segx's stock config")
    parser.add_argument(
        "--option",
        nargs="+",
        action="append",
        default=[],
        metavar=("SET", "KEY=VALUE"),
        help="keys of the config to change for one set: wbc_dataset2 data.crop=288",
    )
    return parser


if __name__ == "__main__":
    main()
