"""What a choice of the stock recipe is worth: test Dice after the same steps.

    python scripts/bench/recipe.py --data DIR isbi2012_em drive --keep FOLDER

Each variant changes one thing of the stock config, see `VARIANTS`; all make the same
number of steps, so that a busy machine changes nothing but the time. What a step costs
is said beside it: a variant that learns more in a step may learn less in a minute.
Finished lines are kept, so that a call goes on where another was interrupted. A GPU
bears a dozen runs side by side: --together 12. RESULTS.md has what was found.
"""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import peers
from kept import kept, place_of, write_lines
from options import add_sets, as_flags, bench_parser, sets_of
from peers import console
from rich.table import Table

from segx.evaluation.cases import read_cases
from segx.evaluation.records import Json
from segx.evaluation.summary import summarise

__all__ = ["VARIANTS", "Line", "main"]

STOCK = "stock"
VALIDATION_CASES = 16

VARIANTS: dict[str, tuple[str, ...]] = {
    STOCK: (),
    # optimizer and schedule
    "lr-halved": ("training.optimizer.lr=0.001",),
    "lr-doubled": ("training.optimizer.lr=0.004",),
    "beta2-0.98": ("training.optimizer.betas=[0.9,0.98]",),
    "constant-rate": ("training.schedule=constant",),
    "decay-0.1": ("training.optimizer.weight_decay=0.1",),
    "ema-0.95": ("training.ema_decay=0.95",),
    "unclipped": ("trainer.gradient_clip_val=null",),
    "float32": ("trainer.precision=32-true",),
    # decoder
    "deep-supervision": ("model.decoder.deep_supervision=true",),
    "standard-3x3": ("model.decoder.separable=false",),
    "half-width": ("model.decoder.channels=[128,64,32,16,16]",),
    "double-width": ("model.decoder.channels=[512,256,128,64,32]",),
    "no-image-skip": ("model.decoder.image_skip=false",),
    "scse": ("model.decoder.attention=scse",),
    # crops, but for the last at equal pixels a step
    "crop-256": ("data.crop=256", "data.batch_size=4"),
    "crop-128": ("data.crop=128", "data.batch_size=18"),
    "crop-384": ("data.crop=384", "data.batch_size=2"),
    "batch-2": ("data.batch_size=2",),
    "any-place": ("data.foreground_share=0",),
    "on-foreground": ("data.foreground_share=1",),
    # augmentation
    "augment-none": ("data.augment.preset=none",),
    "augment-standard": ("data.augment.preset=standard",),
    "augment-microscopy": ("data.augment.preset=microscopy",),
    "augment-radiograph": ("data.augment.preset=radiograph",),
    # loss
    "loss-ce": ("model.loss.name=CE",),
    "loss-dice": ("model.loss.name=Dice",),
}
"""What each variant changes in the stock config."""


@dataclass(frozen=True)
class Line:
    """What one variant reached on one data set.

    Args:
        data: Name of the data set.
        variant: One of `VARIANTS`.
        seed: Seed of the run.
        steps: Optimizer steps made.
        settings: The stock config and what was changed in it.
        dice: Mean test Dice over cases, then over foreground classes.
        flips: Likewise, averaged over test-time flips; None if not measured.
        step_s: Median seconds of a step.
    """

    data: str
    variant: str
    seed: int
    steps: int
    settings: tuple[str, ...]
    dice: float
    flips: float | None
    step_s: float


def main() -> None:
    """Measure all variants on all sets, print the table, write the JSON."""
    arguments = _parser().parse_args()
    roots = sets_of(arguments)
    with place_of(arguments.keep) as folder:
        trials = list(product(arguments.seeds, arguments.variants, roots))
        with ThreadPoolExecutor(arguments.together) as pool:
            lines = list(
                pool.map(
                    lambda trial: _line(*trial, arguments=arguments, folder=folder),
                    trials,
                )
            )
    console.print(_table(lines))
    if arguments.flips:
        console.print(_flips_table(lines))
    write_lines(arguments.json, [asdict(line) for line in lines])


def _line(
    seed: int,
    variant: str,
    root: Path,
    *,
    arguments: argparse.Namespace,
    folder: Path,
) -> Line:
    """The line kept by an earlier call, or a new one."""
    name = f"{root.name}-{variant}-seed{seed}-{arguments.steps}"
    settings: dict[str, Json] = {
        "data": root.name,
        "variant": variant,
        "seed": seed,
        "steps": arguments.steps,
        "flipped": arguments.flips,
        "settings": [arguments.config, *VARIANTS[variant]],
    }
    run = folder / "runs" / name
    path = folder / "lines" / f"{name}.json"
    fields: dict[str, Any] = kept(path, settings, lambda: _measure(root, run, settings))
    fields["settings"] = tuple(fields["settings"])
    return Line(**{name: fields[name] for name in Line.__dataclass_fields__})


def _measure(root: Path, run: Path, settings: dict[str, Any]) -> dict[str, Json]:
    """Train and test one variant."""
    steps = settings["steps"]
    config, *changes = settings["settings"]
    command = peers.segx("fit", "-c", config, "--data.root", root)
    command += ["--seed", str(settings["seed"])]
    length = (
        "trainer.max_epochs=-1",
        f"trainer.max_steps={steps}",
        "trainer.check_val_every_n_epoch=null",
        f"trainer.val_check_interval={max(1, steps // 3)}",
        f"data.validation_cases={VALIDATION_CASES}",
    )
    command += as_flags((*length, *changes))
    peers.fit(command, run)
    flips = None
    if settings["flipped"]:
        command = peers.segx("test", run, "--tta", "flips")
        peers.run(command, log=run.with_suffix(".flips.log"))
        flips = _dice(run / "test-flips")
    step_s = statistics.median(peers.logged(run, "train/step_s"))
    return {"dice": _dice(run / "test"), "flips": flips, "step_s": step_s}


def _dice(results: Path) -> float:
    return summarise(read_cases(results / "cases.csv")).foreground.dice.value


def _table(lines: Sequence[Line]) -> Table:
    """One row a variant, one column a set: the mean over seeds, less the stock's."""
    names = sorted({line.data for line in lines})
    stock = {(line.data, line.seed): line for line in lines if line.variant == STOCK}
    table = Table(title="Test Dice, and by how much a variant differs from the stock")
    for column in ("variant", *names, "mean", "time of a step"):
        table.add_column(column)
    for variant in dict.fromkeys(line.variant for line in lines):
        found = [line for line in lines if line.variant == variant]
        if variant == STOCK or not stock:
            cells = [_mean(found, name) for name in names]
            table.add_row(variant, *cells, _mean(found))
            continue
        pairs = [(line, stock[line.data, line.seed]) for line in found]
        gains = [replace(line, dice=line.dice - old.dice) for line, old in pairs]
        cells = [_mean(gains, name, sign="+") for name in names]
        ratio = statistics.median(line.step_s / old.step_s for line, old in pairs)
        mean = f"{_mean(gains, sign='+')} ± {_standard_error(gains):.3f}"
        table.add_row(variant, *cells, mean, f"{ratio:.2f}x")
    return table


def _flips_table(lines: Sequence[Line]) -> Table:
    """What test-time flips add to each set's Dice, over all variants and seeds."""
    gains: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if line.flips is not None:
            gains[line.data].append(line.flips - line.dice)
    table = Table("data set", "gain", "least", "most", title="Test-time flips")
    for name, found in sorted(gains.items()):
        values = (statistics.fmean(found), min(found), max(found))
        table.add_row(name, *(f"{value:+.3f}" for value in values))
    return table


def _mean(lines: Sequence[Line], data: str | None = None, *, sign: str = "") -> str:
    """Mean Dice of the lines of one data set, or of all; empty where there are none."""
    dice = [line.dice for line in lines if data in {None, line.data}]
    return f"{statistics.fmean(dice):{sign}.3f}" if dice else ""


def _standard_error(lines: Sequence[Line]) -> float:
    dice = [line.dice for line in lines]
    return statistics.stdev(dice) / len(dice) ** 0.5 if len(dice) > 1 else float("nan")


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser(__doc__)
    add_sets(parser)
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=VARIANTS,
        default=list(VARIANTS),
        metavar="NAME",
        help=f"those to measure: {', '.join(VARIANTS)}",
    )
    parser.add_argument("--steps", type=int, default=120, help="of each run")
    parser.add_argument("--flips", action="store_true", help="test with flips, too")
    parser.add_argument("--together", type=int, default=1, help="runs side by side")
    parser.add_argument("--config", default="unet", help="segx's stock config")
    return parser


if __name__ == "__main__":
    main()
