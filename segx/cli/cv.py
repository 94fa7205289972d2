"""segx cv: train and measure the folds of a cross-validation."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from segx.cli.console import console, messages
from segx.cli.measures import show_summary
from segx.cli.parser import Parser
from segx.config import read_config

if TYPE_CHECKING:
    from segx.evaluation.cleaning_choice import Choice

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Parse the command line, go through the folds, and print one table."""
    arguments, given = _parser().parse_with_keys(argv)
    config = read_config(arguments.config, given)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.training.budget import parse_budget
    from segx.training.crossval import cross_validate

    folder = arguments.runs / (arguments.name or Path(arguments.config).stem)
    budget_s = parse_budget(arguments.budget) if arguments.budget else None
    try:
        found = cross_validate(
            config,
            folder,
            folds=arguments.folds,
            budget_s=budget_s,
            progress=not arguments.quiet,
        )
    except KeyboardInterrupt:
        messages.print("Go on with it by the same command.", highlight=False)
        raise
    title = f"{folder.name}: out of fold"
    show_summary(found.summary, folder, title=title, policy="segx")
    if found.classes is not None:
        from segx.evaluation.run import classes_beside

        place = classes_beside(folder)
        show_summary(found.classes, place, title=title, policy="segx")
    if found.choice is not None:
        console.print(_told(found.choice), highlight=False)
    if found.n_apart:
        console.print(
            f"{found.n_apart} test cases are in no fold: segx test {folder} measures "
            "all folds together on them.",
            highlight=False,
        )
    console.print(
        f"  all folds together:  segx predict {folder} IMAGE… -o OUT", highlight=False
    )
    return 0


def _told(choice: "Choice") -> str:
    """What became of the trials to clean masks, in words."""
    if choice.trial is None:
        return "No cleaning of masks surely helps: none is adopted (cleaning.json)."
    gains = ", ".join(
        f"{gain.class_name} {gain.before:.3f} → {gain.after:.3f}"
        for gain in choice.gains
        if gain.trial == choice.trial and gain.is_sure
    )
    return (
        f"Cleaning adopted by all folds: {choice.trial} (Dice {gains}; cleaning.json). "
        "The table is without it: it was chosen on these cases."
    )


def _parser() -> Parser:
    parser = Parser(
        prog="segx cv",
        description="Train each fold of a cross-validation, measure it on the cases "
        "that it held out, and put all of them into one table. Type it again to go on "
        "with one that was interrupted. Any key of the config can be set, as in segx "
        "fit.",
    )
    parser.add_argument(
        "-c",
        "--config",
        required=True,
        help="a YAML file, or the name of a stock config",
    )
    parser.add_argument("--folds", type=_folds, default=5, help="number of folds (5)")
    parser.add_argument(
        "--name", help="name of the folder of all folds (default: the config's name)"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of all runs"
    )
    parser.add_argument("--budget", help="time for each fold, such as 90s, 5m or 1h")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    return parser


def _folds(text: str) -> int:
    """A number of folds, 2 or more."""
    count = int(text)
    if count < 2:
        raise ArgumentTypeError(f"{text}: take 2 folds or more")
    return count
