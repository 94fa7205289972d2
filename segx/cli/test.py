"""segx test: measure a trained model on cases that it was not trained on."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskID

from segx.cli.console import messages
from segx.cli.measures import add_measures, show_summary
from segx.cli.parser import Parser
from segx.cli.pixel_size import add_pixel_size, pixel_mm
from segx.cli.views import add_views
from segx.errors import ConfigError

if TYPE_CHECKING:
    from segx.evaluation.classification import ClassificationSummary
    from segx.evaluation.detection import DetectionSummary
    from segx.evaluation.summary import Summary

__all__ = ["run"]

_Measure = Callable[..., "Summary | ClassificationSummary | DetectionSummary"]

_OTHERS = {"classification": "classifies whole images", "detection": "finds boxes"}
"""What a run does that makes no masks."""


def run(argv: list[str]) -> int:
    """Measure a run on its data set, write RUN/test and print the tables."""
    arguments = _parser().parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.data.datamodule import SegxDataModule
    from segx.data.splits_file import refuse_trained_images
    from segx.inference.folds import runs_of
    from segx.training.run import RunFolder

    folder = RunFolder(arguments.run)
    config = folder.read_config()
    other = _OTHERS.get(config.task)
    if other is not None and (
        arguments.tolerance is not None
        or arguments.policy != "segx"
        or arguments.pixel_size is not None
    ):
        raise ConfigError(
            "--tolerance, --policy and --pixel-size are about masks, but "
            f"{arguments.run} {other}. Leave them out."
        )
    is_one_run = runs_of(arguments.run) == [arguments.run]
    if arguments.split != "test" and not is_one_run:
        raise ConfigError(
            f"--split {arguments.split}: the folds of {arguments.run} learnt from all "
            "cases but those of test. Their out-of-fold results are in its cases.csv."
        )
    parts = _parts(arguments, finds_boxes=config.task == "detection")
    if arguments.data is not None:
        moved = config.data.model_copy(update={"root": arguments.data})
        config = config.model_copy(update={"data": moved})
    is_own = is_one_run and arguments.data is None
    data = SegxDataModule.from_config(
        config, recorded=folder.splits if is_own else None
    )
    if is_own:
        data.check_splits(folder.splits)
    elif arguments.split == "test":
        refuse_trained_images(folder.splits, data.splits)
    for place, measure in parts.items():
        with Progress(console=messages, transient=True) as progress:
            bar = progress.add_task("Predicting", total=None)
            summary = measure(
                data,
                place,
                config=config,
                split=arguments.split,
                on_case=partial(_show, progress, bar),
            )
        show_summary(
            summary,
            place,
            title=f"{folder.path.name}: {arguments.split} cases",
            policy=arguments.policy,
        )
    return 0


def _parts(arguments: argparse.Namespace, *, finds_boxes: bool) -> dict[Path, _Measure]:
    """What is measured of the run's model, by the folder of its results."""
    from segx.atomic import check_folder

    views = arguments.tta
    name = arguments.split if views == "none" else f"{arguments.split}-{views}"
    out = arguments.run / name
    check_folder(out)
    if finds_boxes:
        from segx.evaluation.run_boxes import measure_boxes
        from segx.inference.loading import load_detector

        return {out: partial(measure_boxes, load_detector(arguments.run, views=views))}
    from segx.evaluation.run import measure, places_of
    from segx.inference.loading import load
    from segx.inference.predictor import Working

    working = Working(pixel_mm=pixel_mm(arguments.pixel_size))
    predictor = load(arguments.run, views=views, working=working)
    measured = partial(
        measure,
        predictor,
        is_own=arguments.data is None,
        tolerance=arguments.tolerance,
    )
    return {
        place: partial(measured, part=part)
        for part, place in places_of(predictor.spec, out).items()
    }


def _parser() -> Parser:
    parser = Parser(
        prog="segx test",
        description="Predict the test cases of a run's data set as whole scans, and "
        "measure.",
    )
    parser.add_argument("run", type=Path, help="a run folder, or a folder of folds")
    parser.add_argument("--split", choices=("test", "val", "train"), default="test")
    parser.add_argument("--data", type=Path, help="another folder with the same layout")
    add_views(parser)
    add_pixel_size(parser)
    add_measures(parser)
    return parser


def _show(progress: Progress, bar: TaskID, done: int, total: int) -> None:
    progress.update(bar, completed=done, total=total)
