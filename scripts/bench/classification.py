"""Test AUROC after the same training time: segx fit against a plain resnet18.

    python scripts/bench/classification.py --data DIR busi_classification --json OUT
    python scripts/bench/classification.py --npz pneumoniamnist.npz normal pneumonia

Each data set is a folder with train/ and test/, each with a folder per class, or an
.npz as scripts/examples/npz_to_folders.py unpacks it. Both peers see whole images of
the same size and run one after another. With --keep FOLDER every finished line is kept,
and a bench that was interrupted goes on from there.
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import peers
from kept import kept, place_of, write_lines
from options import add_sets, as_flags, bench_parser, sets_of
from peers import console
from rich.table import Table
from scores import SCORES, class_gains, class_scores, means_of_seeds, shown

from segx.evaluation.records import Json

__all__ = ["main"]

PEERS = ("plain", "segx")


def main() -> None:
    """Measure both peers on all sets, print a table, write the JSON."""
    parser = _parser()
    arguments = parser.parse_args()
    if not (arguments.data or arguments.npz):
        parser.error("--data or --npz: say which sets to measure on")
    with place_of(arguments.keep) as folder:
        _measure(arguments, folder)


def _measure(arguments: argparse.Namespace, folder: Path) -> None:
    lines: list[dict[str, Json]] = []
    roots = sets_of(arguments)
    roots += [
        _unpacked(Path(file), classes, folder) for file, *classes in arguments.npz
    ]
    for seed in arguments.seeds:
        for root in roots:
            trial = _Trial(root, seed, arguments, folder)
            lines += [trial.line(peer) for peer in PEERS]
            pair = [trial.run(peer) / "cases.csv" for peer in PEERS]
            gain = {"data": root.name, "peer": "segx - plain", "seed": seed}
            lines.append({**gain, **class_gains(*pair)})
            console.print(_table(lines[-3:]))
    console.print(_table(lines))
    write_lines(arguments.json, lines)


def _unpacked(file: Path, classes: list[str], folder: Path) -> Path:
    """An .npz as folders; one that was left half made is made again."""
    root = folder / "data" / file.stem
    if not root.is_dir():
        half = root.with_name(f"{root.name}-half")
        if half.exists():
            shutil.rmtree(half)
        command = peers.script("../examples/npz_to_folders.py", file, half, *classes)
        peers.run(command, log=root.with_suffix(".log"))
        half.rename(root)
    return root


@dataclass(frozen=True)
class _Trial:
    """One data set and seed, that both peers are tried on."""

    root: Path
    seed: int
    arguments: argparse.Namespace
    folder: Path

    def run(self, peer: str) -> Path:
        """The folder of a peer's run; its cases.csv ends up there."""
        seconds = self.arguments.seconds
        name = f"{self.root.name}-{peer}-seed{self.seed}-{seconds:g}s"
        return self.folder / "runs" / name

    def line(self, peer: str) -> dict[str, Json]:
        """The line kept by an earlier call, or a new one."""
        run = self.run(peer)
        settings: dict[str, Json] = {
            "data": self.root.name,
            "peer": peer,
            "seed": self.seed,
            "budget_s": self.arguments.seconds,
            "side": self.arguments.side,
        }
        if peer == "segx":
            options = [self.arguments.config, *self.arguments.option]
            settings["settings"] = options
        return kept(
            self.folder / "lines" / f"{run.name}.json", settings, lambda: self._new(run)
        )

    def _new(self, run: Path) -> dict[str, Json]:
        if run.exists():  # interrupted, or measured with other settings
            shutil.rmtree(run)
        measure = self._segx if run == self.run("segx") else self._plain
        spent_s, steps = measure(run)
        scores = class_scores(run / "cases.csv")
        return {"spent_s": spent_s, "steps": steps, **scores}

    def _plain(self, run: Path) -> tuple[float, int]:
        command = peers.script("plain_classifier.py", "--data", self.root, "--out", run)
        command += ["--seconds", str(self.arguments.seconds), "--seed", str(self.seed)]
        command += ["--side", str(self.arguments.side)]
        peers.run(command, log=run.with_suffix(".log"))
        found = json.loads((run / "run.json").read_text(encoding="utf-8"))
        return found["seconds"], found["steps"]

    def _segx(self, run: Path) -> tuple[float, int]:
        told = self.arguments
        command = peers.segx("fit", "-c", told.config, "--data.root", self.root)
        command += ["--budget", f"{told.seconds:g}s", "--seed", str(self.seed)]
        command += ["--data.resize", str(told.side)]
        command += as_flags(told.option)
        found = peers.fit(command, run)
        shutil.copy(run / "test" / "cases.csv", run / "cases.csv")
        return found


def _table(lines: list[dict[str, Json]]) -> Table:
    """One row a run, one for the difference of a pair, then the means of the seeds."""
    title = "Test scores with 95 % intervals (bootstrap over cases)"
    columns = ("data set", "seed", "peer", "training s", "steps", *SCORES)
    table = Table(*columns, title=title)
    means = means_of_seeds(lines, same=("data", "peer"), scores=SCORES)
    for line in [*lines, *means]:
        spent = line.get("spent_s")
        table.add_row(
            str(line["data"]),
            str(line["seed"]),
            str(line["peer"]),
            f"{spent:.0f}" if isinstance(spent, float) else "",
            str(line.get("steps", "")),
            *(shown(line[name]) for name in SCORES),
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser(__doc__)
    add_sets(parser, required=False)
    parser.add_argument(
        "--npz",
        nargs="+",
        action="append",
        default=[],
        metavar=("FILE", "CLASS"),
        help="a MedMNIST-like file and the names of its labels; may be given again",
    )
    parser.add_argument("--seconds", type=float, default=600, help="time to train")
    parser.add_argument("--side", type=int, default=224, help="side of an image")
    parser.add_argument("--config", default="classify", help="segx's stock config")
    parser.add_argument(
        "--option",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="keys of the config to change",
    )
    return parser


if __name__ == "__main__":
    main()
