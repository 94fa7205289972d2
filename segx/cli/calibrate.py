"""segx calibrate: fit how sure a trained model may be, on its validation cases."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from segx.cli.console import console, messages
from segx.cli.parser import Parser
from segx.errors import ConfigError

if TYPE_CHECKING:
    from segx.evaluation.calibrate import Calibrated

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Calibrate a run and store what was found with its model."""
    arguments = _parser().parse_args(argv)
    if arguments.run.is_file():
        raise ConfigError(
            f"{arguments.run} is no run folder. Calibrate the run that it was made "
            "from, and export that again."
        )
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.artifact import find_weights, load_model, store_spec
    from segx.atomic import check_folder
    from segx.data.datamodule import SegxDataModule
    from segx.evaluation.calibrate import calibrate
    from segx.training.run import RunFolder

    folder = RunFolder(arguments.run)
    config = folder.read_config()
    check_folder(find_weights(arguments.run).parent)
    model = load_model(arguments.run)
    if arguments.data is not None:
        moved = config.data.model_copy(update={"root": arguments.data})
        config = config.model_copy(update={"data": moved})
    data = SegxDataModule.from_config(config, recorded=folder.recorded)
    with Progress(console=messages, transient=True) as progress:
        bar = progress.add_task("Calibrating", total=None)
        found = calibrate(
            model,
            data,
            on_case=lambda done, total: progress.update(
                bar, completed=done, total=total
            ),
        )
    spec = model.spec.model_copy(update={"calibration": found.calibration})
    console.print(_said(found), highlight=False)
    console.print(f"Written: {store_spec(arguments.run, spec)}", highlight=False)
    if (arguments.run / "export").is_dir():
        console.print("What was exported before lacks it: segx export", highlight=False)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="segx calibrate",
        description="Fit a temperature on the validation cases, so that probabilities "
        "are as sure as they may be, and a prediction of each case's Dice, by which "
        "segx predict flags what deserves a look. Masks of one model stay the same.",
    )
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--data", type=Path, help="another folder with the same layout")
    return parser


def _said(found: "Calibrated") -> str:
    calibration = found.calibration
    text = _temperature_said(found)
    if calibration.dice:
        text += (
            "\nCases are flagged whose predicted Dice is below "
            f"{calibration.flag_below:.3f}, which nine of ten clean ones reach"
        )
    return text


def _temperature_said(found: "Calibrated") -> str:
    if found.calibration.temperature == 1:
        return (
            f"Temperature stays 1: {found.fitted:.3g}, fitted on {found.cases} "
            "validation cases, does not lower their calibration error of "
            f"{found.ece_before:.4f}"
        )
    return (
        f"Temperature {found.fitted:.3g}, fitted on {found.cases} validation cases; "
        f"their calibration error: {found.ece_before:.4f} before, "
        f"{found.ece_after:.4f} after"
    )
