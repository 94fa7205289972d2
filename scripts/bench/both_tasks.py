"""Trainings on images with masks and classes, for `multitask.py` and `transfer.py`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import peers
from kept import kept
from options import as_flags, bench_parser
from rich.table import Table
from scores import class_gains, class_scores, dice, dice_gain, means_of_seeds, shown

from segx.evaluation.records import Json, read_json

__all__ = ["Training", "Trial", "set_parser", "table"]

SHOWN = ("dice", "auroc", "balanced_accuracy")


@dataclass(frozen=True)
class Training:
    """What one model is trained for.

    Args:
        model: What it is called.
        config: segx's stock config.
        seconds: Time to train.
        start: The training whose encoder it starts from; None: random weights.
    """

    model: str
    config: str
    seconds: float
    start: "Training | None" = None


@dataclass(frozen=True)
class Trial:
    """A set and a seed, that models are tried on.

    Args:
        seed: Of all runs.
        arguments: What `set_parser` reads.
        folder: Where runs and finished lines are kept.
    """

    seed: int
    arguments: argparse.Namespace
    folder: Path

    def line(self, training: Training) -> dict[str, Json]:
        """The line kept by an earlier call, or a new one."""
        run = self._run(training)
        settings: dict[str, Json] = {
            "data": self.arguments.data.name,
            "model": training.model,
            "seed": self.seed,
            "budget_s": training.seconds,
            "starts_from": training.start.model if training.start else None,
            "settings": self._settings(training),
        }
        path = self.folder / "lines" / f"{run.name}.json"
        return kept(path, settings, lambda: self._new(training, run))

    def gain(self, training: Training, *, over: Training) -> dict[str, Json]:
        """The line of what one model gains over another, in what both tell."""
        ours, theirs = (_results(self._run(item)) for item in (training, over))
        gains: dict[str, Json] = {}
        if "segmentation" in ours and "segmentation" in theirs:
            gains["dice"] = dice_gain(theirs["segmentation"], ours["segmentation"])
        if "classification" in ours and "classification" in theirs:
            gains |= class_gains(theirs["classification"], ours["classification"])
        name = f"{training.model} - {over.model}"
        data = self.arguments.data.name
        return {"data": data, "model": name, "seed": self.seed, **gains}

    def _run(self, training: Training) -> Path:
        told = f"seed{self.seed}-{training.seconds:g}s"
        model = training.model.replace(" ", "-")
        name = f"{self.arguments.data.name}-{model}-{told}"
        return self.folder / "runs" / name

    def _settings(self, training: Training) -> list[str]:
        """What is changed in the configs that a model comes from."""
        configs = [training.config, training.start.config if training.start else ""]
        told: list[str] = self.arguments.option
        return [option for option in told if option.partition(":")[0] in configs]

    def _new(self, training: Training, run: Path) -> dict[str, Json]:
        told = self.arguments
        command = peers.segx("fit", "-c", training.config, "--data.root", told.data)
        command += ["--data.manifest", str(told.manifest)]
        command += ["--data.columns.image", told.image]
        command += ["--data.columns.label", told.label]
        command += ["--budget", f"{training.seconds:g}s", "--seed", str(self.seed)]
        if training.start is not None:
            command += ["--model.init_from", str(self._run(training.start))]
        own = f"{training.config}:"
        changes = [item for item in told.option if item.startswith(own)]
        command += as_flags(item.removeprefix(own) for item in changes)
        spent_s, steps = peers.fit(command, run)
        scores: dict[str, Json] = {}
        for task, cases_csv in _results(run).items():
            if task == "segmentation":
                scores["dice"] = dice(cases_csv)
            else:
                scores |= class_scores(cases_csv)
        return {"spent_s": spent_s, "steps": steps, **scores}


def table(lines: Sequence[dict[str, Json]], *, title: str) -> Table:
    """One row a model and one a gain, then the means of the seeds."""
    columns = ("model", "seed", "training s", "steps", "Dice", "AUROC")
    found = Table(*columns, "balanced accuracy", title=f"{title} (95 % intervals)")
    means = means_of_seeds(lines, same=("data", "model"), scores=SHOWN)
    for line in [*lines, *means]:
        spent = line.get("spent_s")
        found.add_row(
            str(line["model"]),
            str(line["seed"]),
            f"{spent:.0f}" if isinstance(spent, float) else "",
            str(line.get("steps", "")),
            *(shown(line.get(name)) for name in SHOWN),
        )
    return found


def set_parser(
    description: str | None, *, seconds_help: str
) -> argparse.ArgumentParser:
    """Arguments of a bench on such a set.

    Args:
        description: The module's docstring.
        seconds_help: Whose time is given.
    """
    parser = bench_parser(description)
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--manifest", type=Path, required=True, help="its CSV file")
    parser.add_argument("--image", default="image", help="the column of images")
    parser.add_argument("--label", default="label", help="the column of classes")
    parser.add_argument("--seconds", type=float, default=600, help=seconds_help)
    parser.add_argument(
        "--option",
        nargs="+",
        default=[],
        metavar="CONFIG:KEY=VALUE",
        help="keys to change in one config: unet:data.crop=288",
    )
    return parser


def _results(run: Path) -> dict[str, Path]:
    """The cases.csv of each task that a tested run has."""
    found: dict[str, Path] = {}
    for place in (run / "test", run / "test" / "classes"):
        if (place / "summary.json").is_file():
            summary = read_json(place / "summary.json")
            if isinstance(summary, dict):
                found[str(summary["task"])] = place / "cases.csv"
    return found
