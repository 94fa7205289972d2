r"""Masks and classes at once against two models of one task each, in the same time.

    python scripts/bench/multitask.py --data DIR/wbc_dataset2 --manifest labels.csv \
        --image stem --label class_id_1to5 --seconds 600 --json out.json

The multi-task model has all of the time; the two others have half of it each. With
--keep FOLDER every finished line is kept, and a bench that was interrupted goes on.
"""

from both_tasks import Training, Trial, set_parser, table
from kept import place_of, write_lines
from peers import console

from segx.evaluation.records import Json

__all__ = ["main"]


def main() -> None:
    """Measure all models, print a table, write the JSON."""
    parser = set_parser(__doc__, seconds_help="time of each side")
    arguments = parser.parse_args()
    seconds = arguments.seconds
    both = Training("multitask", "multitask", seconds)
    alone = [Training(name, name, seconds / 2) for name in ("unet", "classify")]
    lines: list[dict[str, Json]] = []
    with place_of(arguments.keep) as folder:
        for seed in arguments.seeds:
            trial = Trial(seed, arguments, folder)
            lines += [trial.line(training) for training in (both, *alone)]
            lines += [trial.gain(both, over=training) for training in alone]
    console.print(table(lines, title="Test scores and paired gains"))
    write_lines(arguments.json, lines)


if __name__ == "__main__":
    main()
