"""segx test: measure a trained model on cases that it was not trained on."""

import argparse
from functools import partial
from pathlib import Path

from rich.progress import Progress, TaskID

from segx.cli.console import console, messages
from segx.cli.results import result_table

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Measure a run on its data set, write RUN/test/ and print the table."""
    parser = argparse.ArgumentParser(
        prog="segx test",
        description="Predict the test cases of a run's data set as whole scans, and "
        "measure.",
    )
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--split", choices=("test", "val", "train"), default="test")
    parser.add_argument("--data", type=Path, help="another folder with the same layout")
    arguments = parser.parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.artifact import load_model
    from segx.data.datamodule import SegxDataModule
    from segx.evaluation.run import measure, parts_of
    from segx.training.run import RunFolder

    folder = RunFolder(arguments.run)
    config = folder.read_config()
    model = load_model(arguments.run)
    if arguments.data is not None:
        moved = config.data.model_copy(update={"root": arguments.data})
        config = config.model_copy(update={"data": moved})
    data = SegxDataModule.from_config(config)
    out = folder.test if arguments.split == "test" else folder.path / arguments.split
    first, *others = parts_of(model.spec)
    for part in (first, *others):
        place = out if part == first else out / part
        with Progress(console=messages, transient=True) as progress:
            bar = progress.add_task("Predicting", total=None)
            summary = measure(
                model,
                data,
                place,
                split=arguments.split,
                part=part,
                on_case=partial(_show, progress, bar),
            )
        title = f"{folder.path.name}: {arguments.split} cases"
        console.print(result_table(summary, title=title))
        written = f"Written: {place}/cases.csv, {place}/summary.json"
        console.print(written, highlight=False)
    return 0


def _show(progress: Progress, bar: TaskID, done: int, total: int) -> None:
    progress.update(bar, completed=done, total=total)
