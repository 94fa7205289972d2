"""Whether the predicted Dice ranks cases as their true Dice does, and what ECE is left.

    segx calibrate RUN
    python scripts/bench/flag.py RUN --data DIR --json out.json

The test cases, clean and damaged in four ways at strengths that the calibration has not
seen. Their pixels' calibration error is told without the temperature and with it.
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import peers
from peers import console
from rich.table import Table
from scipy.stats import spearmanr

from segx.artifact import load_model
from segx.data.case import Case
from segx.data.datamodule import SegxDataModule
from segx.data.reader import CaseReader
from segx.errors import ArtifactError
from segx.evaluation.calibrate import (
    Judged,
    case_reader,
    judge,
)
from segx.evaluation.corruptions import Corruption
from segx.evaluation.records import write_json
from segx.evaluation.temperature import sample_pixels
from segx.inference.confidence import LOOK
from segx.inference.loading import predictor_of
from segx.inference.predictor import Predictor
from segx.masks.calibration import Calibration
from segx.training.run import RunFolder

__all__ = ["main"]

_DAMAGE = (
    None,
    Corruption("noise", 0.2),
    Corruption("blur", 3),
    Corruption("defocus", 6),
    Corruption("inverted"),
)


class Group(NamedTuple):
    """How well the Dice of some cases is predicted.

    Args:
        n: Cases with a true Dice.
        dice: Mean of the true Dice.
        predicted: Mean of the predicted one; 0 where nothing was found.
        error: Mean distance of both.
        spearman: Rank correlation of both.
        bad: Cases whose true Dice is below the calibration's limit.
        flagged: Cases that were flagged.
        bad_flagged: Cases that are both.
    """

    n: int
    dice: float
    predicted: float
    error: float
    spearman: float
    bad: int
    flagged: int
    bad_flagged: int

    @classmethod
    def of(cls, items: list[Judged], limit: float) -> "Group":
        """Compare; cases that are empty in truth and mask are left out."""
        known = [item for item in items if not math.isnan(item.dice)]
        dice = np.array([item.dice for item in known])
        predicted = np.array([item.confidence.predicted_dice or 0.0 for item in known])
        flagged = np.array([item.confidence.flag is not None for item in known])
        bad = dice < limit
        return cls(
            n=len(known),
            dice=float(dice.mean()),
            predicted=float(predicted.mean()),
            error=float(np.abs(dice - predicted).mean()),
            spearman=float(spearmanr(predicted, dice).statistic),
            bad=int(bad.sum()),
            flagged=int(flagged.sum()),
            bad_flagged=int((bad & flagged).sum()),
        )


def main() -> None:
    """Predict all, print the table, write the JSON."""
    arguments = _parser().parse_args()
    config = RunFolder(arguments.run).read_config()
    moved = config.data.model_copy(update={"root": arguments.data})
    data = SegxDataModule.from_config(config.model_copy(update={"data": moved}))
    model = load_model(arguments.run)
    calibration = model.spec.calibration
    if calibration is None:
        raise ArtifactError(f"{arguments.run} has none: segx calibrate {arguments.run}")
    predictor, reader = predictor_of(model), case_reader(data, model.spec)
    cases = data.splits.test
    before, after = _errors(predictor, calibration, cases, reader)
    judged = {
        "clean" if kind is None else f"{kind.kind} {kind.strength:g}": [
            judge(predictor, case, reader, kind) for case in cases
        ]
        for kind in _DAMAGE
    }
    judged["all"] = [item for items in judged.values() for item in items]
    limit = calibration.flag_below
    groups = {name: Group.of(items, limit) for name, items in judged.items()}
    console.print(_table(groups, calibration))
    console.print(f"ECE of the test cases' pixels: {before:.4f}, tempered {after:.4f}")
    if arguments.json:
        write_json(
            arguments.json,
            {
                "environment": peers.environment(),
                "temperature": calibration.temperature,
                "flag_below": limit,
                "ece": {"before": before, "after": after},
                "groups": {name: item._asdict() for name, item in groups.items()},
            },
        )


def _errors(
    predictor: Predictor,
    calibration: Calibration,
    cases: tuple[Case, ...],
    reader: CaseReader,
) -> tuple[float, float]:
    """Calibration error of the cases' pixels without and with the temperature."""
    plain = predictor.calibrated(None)
    examples = sample_pixels(plain, cases, reader, total=len(cases))
    return examples.error(1), examples.error(calibration.temperature)


def _table(groups: dict[str, Group], calibration: Calibration) -> Table:
    table = Table(
        title=f"temperature {calibration.temperature:.3f}; flagged below a predicted "
        f"Dice of {calibration.flag_below:.3f}",
        caption=f"bad: true Dice below that; flagged: {LOOK!r}, or nothing was found",
    )
    for head in ("cases", "n", "Dice", "predicted", "off by", "Spearman"):
        table.add_column(head, justify="left" if head == "cases" else "right")
    table.add_column("bad, flagged, both", justify="right")
    for name, group in groups.items():
        table.add_row(
            name,
            str(group.n),
            f"{group.dice:.3f}",
            f"{group.predicted:.3f}",
            f"{group.error:.3f}",
            f"{group.spearman:.2f}",
            f"{group.bad}, {group.flagged}, {group.bad_flagged}",
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder that was calibrated")
    parser.add_argument("--data", type=Path, required=True, help="its data set")
    parser.add_argument("--json", type=Path, help="where to write all numbers")
    return parser


if __name__ == "__main__":
    main()
