"""What the thrift of separable convolutions costs: the same network with standard ones.

    python scripts/bench/separable.py --data DIR isbi2012_em wbc_dataset2 --json OUT

Three runs a set, one after another: segx fit as it is, for the time given; with a
standard convolution for each separable one (`standard_segx.py`; in the decoder too,
where it has the choice), for the same time; and so for as many steps as the first made.
With --keep FOLDER every finished line is kept, and a bench that was interrupted goes on
from there.
"""

import argparse
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import peers
from kept import kept, place_of, write_lines
from options import add_sets, as_flags, bench_parser, sets_of
from peers import console
from rich.table import Table
from scores import dice, dice_gain, means_of_seeds, shown
from standard_segx import with_standard_convolutions

from segx.artifact import (
    build_network,
    find_weights,
    network_state,
    read_checkpoint,
    read_spec,
)
from segx.evaluation.records import Json
from segx.models.cost import count_macs, count_parameters
from segx.training.run import RunFolder

__all__ = ["main"]

SEPARABLE = "separable"
SAME_TIME = "standard, same time"
SAME_STEPS = "standard, same steps"

MACS_SIDE = 512
"""Side in pixels of the image whose operations are counted."""


def main() -> None:
    """Measure all networks on all sets, print a table, write the JSON."""
    arguments = _parser().parse_args()
    with place_of(arguments.keep) as folder:
        _measure(arguments, folder)


def _measure(arguments: argparse.Namespace, folder: Path) -> None:
    lines: list[dict[str, Json]] = []
    roots = sets_of(arguments)
    for seed in arguments.seeds:
        for root in roots:
            found = _Trial(root, seed, arguments, folder).lines()
            console.print(_table(found))
            lines += found
    console.print(_table(lines))
    write_lines(arguments.json, lines)


@dataclass(frozen=True)
class _Trial:
    """One data set and seed, that all networks are tried on."""

    root: Path
    seed: int
    arguments: argparse.Namespace
    folder: Path

    def lines(self) -> list[dict[str, Json]]:
        """All three networks, and what the standard ones gain."""
        first = self._line(SEPARABLE, budget_s=self.arguments.seconds)
        others = [
            self._line(SAME_TIME, budget_s=self.arguments.seconds),
            self._line(SAME_STEPS, steps=first["steps"]),
        ]
        gains = [self._gain(SAME_TIME), self._gain(SAME_STEPS)]
        return [first, *others, *gains]

    def _line(self, network: str, **length: Json) -> dict[str, Json]:
        """The line kept by an earlier call, or a new one."""
        run = self._run(network)
        settings: dict[str, Json] = {
            "data": self.root.name,
            "network": network,
            "seed": self.seed,
            **length,
            "settings": [self.arguments.config, *self.arguments.option],
        }
        path = self.folder / "lines" / f"{run.name}.json"
        return kept(path, settings, lambda: self._new(network, run))

    def _gain(self, network: str) -> dict[str, Json]:
        gain = dice_gain(_cases(self._run(SEPARABLE)), _cases(self._run(network)))
        name = f"{network} - {SEPARABLE}"
        return {
            "data": self.root.name,
            "network": name,
            "seed": self.seed,
            "dice": gain,
        }

    def _run(self, network: str) -> Path:
        kind = network.replace(", ", "-").replace(" ", "-")
        seconds = self.arguments.seconds
        name = f"{self.root.name}-{kind}-seed{self.seed}-{seconds:g}s"
        return self.folder / "runs" / name

    def _new(self, network: str, run: Path) -> dict[str, Json]:
        if network == SEPARABLE:
            spent_s, steps = peers.fit(self._as_it_is(), run)
        else:
            program = partial(peers.script, "standard_segx.py")
            spent_s, steps = peers.fit(self._standard(network), run, program=program)
        costs = _costs(run, is_standard=network != SEPARABLE)
        if network != SEPARABLE:
            shutil.rmtree(run / "checkpoints")  # gigabytes, and tested
        return {
            "spent_s": spent_s,
            "steps": steps,
            **costs,
            "dice": dice(_cases(run)),
        }

    def _as_it_is(self) -> list[str]:
        told = self.arguments
        command = peers.segx("fit", "-c", told.config, "--data.root", self.root)
        command += ["--budget", f"{told.seconds:g}s", "--seed", str(self.seed)]
        return command + as_flags(told.option)

    def _standard(self, network: str) -> list[str]:
        """By the first run's config, which knows its steps; a budget forgets them."""
        first = RunFolder(self._run(SEPARABLE))
        command = peers.script("standard_segx.py", "fit", "-c", first.config_file)
        if network == SAME_TIME:
            command += ["--budget", f"{self.arguments.seconds:g}s"]
        decoder = first.read_config().model.decoder
        if decoder is not None and decoder.options.get("separable"):
            command += ["--model.decoder.separable", "false"]
        return command


def _cases(run: Path) -> Path:
    return run / "test" / "cases.csv"


def _costs(run: Path, *, is_standard: bool) -> dict[str, Json]:
    """Parameters of the network that a run trained, and its operations for an image."""
    spec = read_spec(run)
    network = build_network(spec)
    if is_standard:
        network.encoder = with_standard_convolutions(network.encoder)
    # Strictly: the run did train this one.
    network.load_state_dict(
        network_state(read_checkpoint(find_weights(run))["state_dict"])
    )
    macs = count_macs(network, MACS_SIDE, channels=spec.in_channels)
    return {"parameters": count_parameters(network), "macs": macs}


def _table(lines: list[dict[str, Json]]) -> Table:
    """One row a run, one for each gain, and the means of the seeds."""
    columns = ("data set", "seed", "network", "M parameters", f"GMAC {MACS_SIDE}²")
    table = Table(*columns, "training s", "steps", "Dice (95 % interval)")
    table.title = "Test Dice; gains by paired cases"
    means = means_of_seeds(lines, same=("data", "network"), scores=("dice",))
    for line in [*lines, *means]:
        table.add_row(
            str(line["data"]),
            str(line["seed"]),
            str(line["network"]),
            _scaled(line.get("parameters"), 1e6),
            _scaled(line.get("macs"), 1e9),
            _scaled(line.get("spent_s"), 1),
            str(line.get("steps", "")),
            shown(line["dice"]),
        )
    return table


def _scaled(value: Json, unit: float) -> str:
    return f"{value / unit:.1f}" if isinstance(value, int | float) else ""


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser(__doc__)
    add_sets(parser)
    parser.add_argument("--seconds", type=float, default=300, help="time to train")
    parser.add_argument("--config", default="unet", help="segx's stock config")
    parser.add_argument(
        "--option",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="keys of the config to change: data.crop=192",
    )
    return parser


if __name__ == "__main__":
    main()
