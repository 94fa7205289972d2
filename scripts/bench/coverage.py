"""How often a 95 % interval holds the true mean Dice, by simulation.

    python scripts/bench/coverage.py --json coverage.json

Three kinds of Dice, one case a patient, whose true means are known: normal (0.80 ±
0.05),
skewed (Beta(8, 2), many near 1 and a tail below) and missed (the same, but one case in
ten is 0). A fourth gives each patient four cases that resemble each other.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.evaluation.bootstrap import LEVEL, Resampling
from segx.evaluation.records import write_json

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

_MISSED = 0.1
_SKEWED = (8.0, 2.0)
_CASES = 4


@dataclass(frozen=True)
class Kind:
    """A kind of Dice.

    Args:
        mean: Its true mean.
        cases: Number of cases a patient.
        draw: Makes the Dice of so many patients, (patients, cases).
    """

    mean: float
    cases: int
    draw: Draw


def normal(rng: np.random.Generator, patients: int) -> NDArray[np.float64]:
    """Dice that scatters evenly."""
    return rng.normal(0.8, 0.05, (patients, 1))


def skewed(rng: np.random.Generator, patients: int) -> NDArray[np.float64]:
    """Dice that is mostly high, with a tail of hard cases."""
    return rng.beta(*_SKEWED, (patients, 1))


def missed(rng: np.random.Generator, patients: int) -> NDArray[np.float64]:
    """The same, with objects that are missed altogether."""
    found = rng.random((patients, 1)) >= _MISSED
    return np.where(found, skewed(rng, patients), 0.0)


def clustered(rng: np.random.Generator, patients: int) -> NDArray[np.float64]:
    """Several cases a patient, who are hard or easy together."""
    patient = rng.normal(0.8, 0.05, (patients, 1))
    return patient + rng.normal(0, 0.02, (patients, _CASES))


_MEAN = _SKEWED[0] / sum(_SKEWED)
KINDS = {
    "normal": Kind(0.8, 1, normal),
    "skewed": Kind(_MEAN, 1, skewed),
    "missed": Kind((1 - _MISSED) * _MEAN, 1, missed),
    "clustered": Kind(0.8, _CASES, clustered),
}


def coverage(kind: Kind, *, patients: int, simulations: int, seed: int = 0) -> float:
    """Share of the simulations whose interval holds the true mean."""
    rng = np.random.default_rng(seed)
    resampling = Resampling(
        [str(i) for i in range(patients) for _ in range(kind.cases)]
    )
    held = 0
    for _ in range(simulations):
        found = resampling.mean(kind.draw(rng, patients).ravel())
        held += found.low <= kind.mean <= found.high
    return held / simulations


def main() -> None:
    """Simulate, print a line a kind, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--simulations", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for name, kind in KINDS.items():
        found[name] = coverage(
            kind, patients=arguments.patients, simulations=arguments.simulations
        )
        print(f"{name:<10} {100 * found[name]:.1f} % of {100 * LEVEL:.0f} %")
    if arguments.json:
        write_json(
            arguments.json,
            {
                "patients": arguments.patients,
                "simulations": arguments.simulations,
                "coverage": found,
            },
        )


if __name__ == "__main__":
    main()
