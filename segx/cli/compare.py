"""segx compare: two models on the same cases, with paired intervals."""

from pathlib import Path
from typing import TYPE_CHECKING

from segx.cli.console import console
from segx.cli.parser import Parser
from segx.cli.results import comparison_table, score_comparison_table
from segx.errors import ConfigError

if TYPE_CHECKING:
    from segx.evaluation.compare import Comparison, PairedMetric
    from segx.evaluation.compare_classified import ClassifiedComparison

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Compare two runs case by case and print the differences."""
    arguments = _parser().parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.evaluation.classified_file import kind_of
    from segx.evaluation.compare import results_file

    files = [results_file(path) for path in (arguments.first, arguments.second)]
    kinds = [kind_of(file) for file in files]
    if kinds[0] != kinds[1]:
        raise ConfigError(
            f"{files[0]} is of {kinds[0]}, {files[1]} of {kinds[1]}: compare models "
            "that do the same."
        )
    if kinds[0] == "boxes":
        raise ConfigError(
            f"{files[0]} and {files[1]} are of boxes, and only masks and classes are "
            "compared in pairs. The intervals in each summary.json are of its own."
        )
    if kinds[0] == "classes" and arguments.metric is not None:
        raise ConfigError(
            f"--metric {arguments.metric} is about masks, but {files[0]} and "
            f"{files[1]} are of classes, all of whose scores are compared. Leave it "
            "out."
        )
    names = _names(arguments.first, arguments.second)
    found = (
        _classified(files, names)
        if kinds[0] == "classes"
        else _masks(files, names, metric=arguments.metric or "dice")
    )
    only = (found.only_first, found.only_second)
    for name, cases in zip(names, only, strict=True):
        if cases:
            _say(f"Only in {name}, left out: {', '.join(cases)}")
    return 0


def _names(first: Path, second: Path) -> tuple[str, str]:
    """What to call the two: their folders' names, or the paths if these are alike."""
    folders = [
        path.parent if path.suffix == ".csv" else path for path in (first, second)
    ]
    names = folders[0].resolve().name, folders[1].resolve().name
    return names if names[0] != names[1] else (str(first), str(second))


def _masks(
    files: list[Path], names: tuple[str, str], *, metric: "PairedMetric"
) -> "Comparison":
    from segx.evaluation.cases import read_cases
    from segx.evaluation.compare import compare

    found = compare(*(read_cases(file) for file in files), metric=metric)
    console.print(comparison_table(found, names=names))
    for item in (*found.classes, found.foreground):
        _say(f"{item.name}: {item.verdict(names)}")
    for item in found.classes:
        if item.n_only_first or item.n_only_second:
            _say(
                f"{item.name}: left out are {item.n_only_first} cases where only "
                f"{names[0]} has a {metric} and {item.n_only_second} where only "
                f"{names[1]} has; a Dice of nothing comes from a false positive."
            )
    return found


def _classified(files: list[Path], names: tuple[str, str]) -> "ClassifiedComparison":
    from segx.evaluation.classified_file import read_classified
    from segx.evaluation.compare_classified import compare_classified

    (classes, first), (others, second) = (read_classified(file) for file in files)
    found = compare_classified(first, second, class_names=(classes, others))
    console.print(score_comparison_table(found, names=names))
    for item in found.scores:
        _say(f"{item.name}: {item.verdict(names)}")
    if any(isinstance(case.truth, tuple) for case in first):
        _say("Here a class is found from a probability of 0.5 on, in both models.")
    return found


def _say(text: str) -> None:
    console.print(text, highlight=False)


def _parser() -> Parser:
    parser = Parser(
        prog="segx compare",
        description="Compare two models on the cases that both were measured on: the "
        "second minus the first, patients drawn anew in pairs.",
    )
    for name in ("first", "second"):
        parser.add_argument(
            name, type=Path, help="a run, a folder of `segx evaluate`, or a cases.csv"
        )
    parser.add_argument(
        "--metric",
        choices=("dice", "iou", "sensitivity", "precision", "nsd"),
        help="of masks (default: dice)",
    )
    return parser
