r"""Masks and classes at once against two models of one task each, in the same time.

    python scripts/bench/multitask.py --data DIR/wbc_dataset2 --manifest labels.csv \
        --image stem --label class_id_1to5 --seconds 600 --json out.json

The multi-task model has all of the time; the two others have half of it each. With
--keep FOLDER every finished line is kept, and a bench that was interrupted goes on.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import peers
from class_scores import scores_with_intervals, shown
from kept import kept, place_of, write_lines
from peers import console
from rich.table import Table

from segx.evaluation.records import Json

__all__ = ["main"]

# Config → its share of the time.
RUNS = {"multitask": 1.0, "unet": 0.5, "classify": 0.5}


def main() -> None:
    """Measure all models, print a table, write the JSON."""
    arguments = _parser().parse_args()
    with place_of(arguments.keep) as folder:
        _measure(arguments, folder)


def _measure(arguments: argparse.Namespace, folder: Path) -> None:
    lines = [
        _Trial(config, seed, arguments, folder).line()
        for seed in arguments.seeds
        for config in RUNS
    ]
    console.print(_table(lines))
    write_lines(arguments.json, lines)


@dataclass(frozen=True)
class _Trial:
    """One model and seed."""

    config: str
    seed: int
    arguments: argparse.Namespace
    folder: Path

    def line(self) -> dict[str, Json]:
        """The line kept by an earlier call, or a new one."""
        seconds = RUNS[self.config] * self.arguments.seconds
        name = f"{self.arguments.data.name}-{self.config}-seed{self.seed}-{seconds:g}s"
        settings: dict[str, Json] = {
            "model": self.config,
            "seed": self.seed,
            "budget_s": seconds,
            "settings": self.arguments.option,
        }
        run = self.folder / "runs" / name
        path = self.folder / "lines" / f"{name}.json"
        return kept(path, settings, lambda: self._new(run, seconds))

    def _new(self, run: Path, seconds: float) -> dict[str, Json]:
        told = self.arguments
        command = peers.segx("fit", "-c", self.config, "--data.root", told.data)
        command += ["--data.manifest", str(told.manifest)]
        command += ["--data.columns.image", told.image]
        command += ["--data.columns.label", told.label]
        command += ["--budget", f"{seconds:g}s", "--seed", str(self.seed)]
        for option in told.option:
            config, _, rest = option.partition(":")
            key, _, value = rest.partition("=")
            command += [f"--{key}", value] if config == self.config else []
        spent_s, _ = peers.fit(command, run)
        return {"spent_s": spent_s, **_found(run / "test")}


def _found(test: Path) -> dict[str, Json]:
    """Dice and class scores of what a model tells."""
    found: dict[str, Json] = {}
    for place in (test, test / "classes"):
        if (place / "summary.json").is_file():
            summary = json.loads((place / "summary.json").read_text(encoding="utf-8"))
            if summary["task"] == "segmentation":
                found["dice"] = summary["foreground"]["dice"]["value"]
            else:
                found |= scores_with_intervals(place / "cases.csv")
    return found


def _table(lines: list[dict[str, Json]]) -> Table:
    columns = ("model", "seed", "training s", "Dice", "AUROC", "balanced accuracy")
    table = Table(*columns, title="Test scores; 95 % intervals of the classes")
    for line in lines:
        dice = line.get("dice")
        table.add_row(
            str(line["model"]),
            str(line["seed"]),
            f"{line['spent_s']:.0f}",
            f"{dice:.3f}" if isinstance(dice, float) else "-",
            shown(line.get("auroc")),
            shown(line.get("balanced_accuracy")),
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--manifest", type=Path, required=True, help="its CSV file")
    parser.add_argument("--image", default="image", help="the column of images")
    parser.add_argument("--label", default="label", help="the column of classes")
    parser.add_argument("--seconds", type=float, default=600, help="time of each side")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--option",
        nargs="+",
        default=[],
        metavar="CONFIG:KEY=VALUE",
        help="keys to change in one config: unet:data.crop=288",
    )
    parser.add_argument("--keep", type=Path, help="folder for runs and finished lines")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
