"""segx init: a config for a data set, with the reason for each value."""

from pathlib import Path

from segx.cli.console import console, messages
from segx.cli.parser import Parser
from segx.errors import ConfigError

__all__ = ["run"]

MEASURED_S = 30.0


def run(argv: list[str]) -> int:
    """Look at a data set, measure a few training steps, write a config."""
    arguments, given = _parser().parse_with_keys(argv)
    if arguments.manifest is not None:
        # Found from any folder, unless it is named as it lies below DATA.
        table: Path = arguments.manifest
        place = table.resolve() if table.is_file() else table
        given.append(("data.manifest", str(place)))
    out: Path = arguments.out
    if out.exists() and not arguments.force:
        raise ConfigError(
            f"-o {out}: this file exists already and is not overwritten. Choose "
            "another name, or replace it with --force."
        )
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.atomic import check_writable, write_text
    from segx.data.defects import plural
    from segx.training.proposal import propose

    check_writable(out)
    with messages.status("Reading") as status:

        def tell(done: int, total: int) -> None:
            status.update(f"Read {done} of {total} cases; then training is timed")

        text = propose(
            arguments.root,
            given,
            name=str(out),
            limit_s=arguments.seconds,
            progress=tell,
        )
    write_text(out, text)
    unsure = text.count("unsure")
    console.print(f"Written: {out}", highlight=False)
    if unsure:
        console.print(
            f"  look at it: {plural(unsure, 'comment')} with 'unsure'", highlight=False
        )
    console.print(f"  train:      segx fit -c {out}", highlight=False)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="segx init",
        description="Look at a data set and write a config for it, each value with its "
        "reason in a comment. Any key can be decided beforehand, as for segx fit: "
        "--data.classes '[background, nucleus]' --task classification",
    )
    parser.add_argument("root", type=Path, metavar="DATA", help="folder of the data")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help="the config to write"
    )
    parser.add_argument("--manifest", type=Path, help="a CSV file instead of folders")
    parser.add_argument("--force", action="store_true", help="replace an older file")
    parser.add_argument(
        "--seconds",
        type=float,
        default=MEASURED_S,
        help="time to measure training steps, for the batch size; 0: don't measure "
        "(default: 30)",
    )
    return parser
