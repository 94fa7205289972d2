"""segx evaluate: measure masks of any tool against the truth."""

from pathlib import Path

from rich.progress import Progress

from segx.cli.console import messages
from segx.cli.measures import add_measures, show_summary
from segx.cli.parser import Parser
from segx.errors import ConfigError

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Compare two masks or two folders of masks, write OUT and print the tables."""
    arguments = _parser().parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.atomic import check_folder
    from segx.evaluation.folders import Meaning, evaluate_masks
    from segx.evaluation.mask_ids import parse_classes

    check_folder(arguments.out)
    meaning = Meaning(
        classes=parse_classes(arguments.classes) if arguments.classes else None,
        ignore_index=arguments.ignore,
        pixel_mm=_pixel_mm(arguments.pixel_size),
        patient_pattern=arguments.patient_pattern,
        missing_as_empty=arguments.missing_as_empty,
        images=arguments.images,
    )
    with Progress(console=messages, transient=True) as progress:
        bar = progress.add_task("Comparing", total=None)
        evaluation, provenance = evaluate_masks(
            arguments.truth,
            arguments.prediction,
            meaning=meaning,
            tolerance=arguments.tolerance,
            on_read=lambda done, total: progress.update(
                bar, completed=done, total=total
            ),
        )
    summary = evaluation.write(arguments.out, provenance=provenance)
    show_summary(
        summary,
        arguments.out,
        title=f"{arguments.prediction} against {arguments.truth}",
        policy=arguments.policy,
    )
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="segx evaluate",
        description="Measure masks of any tool, images or volumes, against the truth. "
        "Folders are matched by the files' stems.",
    )
    parser.add_argument("truth", type=Path, help="a mask, or a folder of masks")
    parser.add_argument("prediction", type=Path, help="likewise, with the same stems")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help="folder for results"
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        metavar="NAME",
        help="names in the order of the ids, the background first, or ID=NAME for "
        "each (default: 0 … K-1, as found)",
    )
    parser.add_argument(
        "--ignore", type=int, metavar="ID", help="value of pixels that don't count"
    )
    parser.add_argument(
        "--pixel-size",
        type=float,
        nargs="+",
        metavar="UM",
        help="µm a pixel where the truth does not tell: one number, or one an axis",
    )
    parser.add_argument(
        "--patient-pattern",
        metavar="REGEX",
        help="finds the patient in a case's name: the first group, or the whole match",
    )
    parser.add_argument(
        "--missing-as-empty",
        action="store_true",
        help="count missing predictions as missed objects",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="images with the masks' stems, to be shown in report.html",
    )
    add_measures(parser)
    return parser


def _pixel_mm(sizes: list[float] | None) -> tuple[float, ...] | None:
    if sizes is None:
        return None
    if min(sizes) <= 0:
        raise ConfigError(f"--pixel-size {sizes}: allowed are numbers above 0.")
    return tuple(size / 1000 for size in sizes)
