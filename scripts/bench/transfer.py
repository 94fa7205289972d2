r"""What an encoder brings from one task to the other, on the same images.

    python scripts/bench/transfer.py --data DIR/wbc_dataset2 --manifest labels.csv \
        --image stem --label class_id_1to5 --seconds 600 --json out.json

In both directions, classes to masks and masks to classes: a model that starts from the
encoder of the other task's, against random weights for the same time, and (unless
`--no-longer` is given) against random weights for the time of both together. Six runs a
seed, which take eight times the seconds given; four runs, four times, without the
longer ones. With --keep FOLDER every finished line is kept, and a bench that was
interrupted goes on.
"""

from both_tasks import Training, Trial, set_parser, table
from kept import place_of, write_lines
from peers import console

from segx.evaluation.records import Json

__all__ = ["main"]

# A task's stock config → that of the task whose encoder it is given.
GIVEN = {"unet": "classify", "classify": "unet"}


def main() -> None:
    """Measure all models, print a table, write the JSON."""
    parser = set_parser(__doc__, seconds_help="time of one training")
    parser.add_argument(
        "--no-longer", action="store_true", help="none for the time of both trainings"
    )
    arguments = parser.parse_args()
    lines: list[dict[str, Json]] = []
    with place_of(arguments.keep) as folder:
        for seed in arguments.seeds:
            trial = Trial(seed, arguments, folder)
            found = _lines(
                trial, arguments.seconds, with_longer=not arguments.no_longer
            )
            console.print(table(found, title=f"Transfer, seed {seed}"))
            lines += found
    console.print(table(lines, title="Test scores and paired gains"))
    write_lines(arguments.json, lines)


def _lines(trial: Trial, seconds: float, *, with_longer: bool) -> list[dict[str, Json]]:
    """All models of a seed, and what the encoder of the other task brings."""
    alone = {name: Training(name, name, seconds) for name in GIVEN}
    longer = {name: Training(f"{name} twice", name, 2 * seconds) for name in GIVEN}
    given = {
        name: Training(f"{name} from {source}", name, seconds, start=alone[source])
        for name, source in GIVEN.items()
    }
    references = [alone, longer] if with_longer else [alone]
    lines = [
        trial.line(training)
        for group in (alone, given, *references[1:])
        for training in group.values()
    ]
    gains = [
        trial.gain(given[name], over=group[name])
        for name in GIVEN
        for group in references
    ]
    return [*lines, *gains]


if __name__ == "__main__":
    main()
