"""segx fit: train a network."""

import textwrap
import time
from argparse import Namespace
from pathlib import Path

from segx.cli.configs import config_lines
from segx.cli.console import console
from segx.cli.parser import Parser
from segx.config import config_keys, read_config
from segx.errors import ConfigError

__all__ = ["run"]

_WIDTH = 100


def run(argv: list[str]) -> int:
    """Parse the command line, train, and say what to type next."""
    started = time.monotonic()  # a budget pays for imports, too
    arguments, given = _parser().parse_with_keys(argv)
    _check_usage(arguments)
    name = arguments.name or Path(arguments.config).stem
    config = read_config(
        arguments.config or arguments.runs / name / "config.yaml", given
    )
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.training.budget import parse_budget
    from segx.training.fit import fit
    from segx.training.processes import is_first
    from segx.training.run import RunFolder

    folder = RunFolder(arguments.runs / name)
    has_learnt = fit(
        config,
        folder,
        budget_s=parse_budget(arguments.budget) if arguments.budget else None,
        started=started,
        resume=arguments.ckpt_path == "last",
        progress=not arguments.quiet,
    )
    if not is_first():
        return 0
    nothing = "{} is finished already" if arguments.ckpt_path else "{} made no step"
    told = "Trained: {}" if has_learnt else nothing
    console.print(told.format(folder.path), highlight=False)
    console.print(f"  measure it:  segx test {folder.path}", highlight=False)
    console.print(
        f"  use it:      segx predict {folder.path} IMAGE… -o OUT", highlight=False
    )
    return 0


def _check_usage(arguments: Namespace) -> None:
    """Refuse what can't go together."""
    if arguments.ckpt_path not in (None, "last"):
        raise ConfigError(
            f"--ckpt_path {arguments.ckpt_path!r}: only 'last' is allowed."
        )
    if arguments.ckpt_path and arguments.budget:
        raise ConfigError(
            "--budget plans a training from its start; a run that goes on keeps to "
            "what is left of its own. Leave --budget out."
        )
    if arguments.config is None and not (arguments.ckpt_path and arguments.name):
        raise ConfigError(
            "-c says what to train: a YAML file, or a stock config as segx configs "
            "lists them. Only a run that goes on has its own: --name NAME --ckpt_path "
            "last"
        )


def _parser() -> Parser:
    parser = Parser(
        prog="segx fit",
        description="Train a network. Any key of the config can be set: "
        "--data.root DIR --model.decoder FPN --trainer.max_epochs 20",
        epilog=_epilog(),
    )
    parser.add_argument(
        "-c",
        "--config",
        help="a YAML file, or a stock config's name; a run that goes on has its own",
    )
    parser.add_argument(
        "--name", help="name of the run folder (default: the config's name)"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of all runs"
    )
    parser.add_argument("--budget", help="time for everything, such as 90s, 5m or 1h")
    parser.add_argument("--ckpt_path", help="'last': go on with an interrupted run")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    return parser


def _epilog() -> str:
    """The stock configs, then every key with its meaning and its default."""
    lines = ["stock configs (segx configs NAME prints one):", *config_lines(), ""]
    lines.append("keys of a config, and their defaults where it is silent:")
    keys = config_keys()
    column = max(len(key.name) for key in keys) + len("  --  ")
    sections: set[str] = set()
    for key in keys:
        section, dot, _ = key.name.partition(".")
        lines += [""] if dot and section not in sections else []
        sections.add(section)
        lines += textwrap.wrap(
            f"{key.meaning.removesuffix('.')} ({key.default})",
            _WIDTH,
            initial_indent=f"  --{key.name}".ljust(column),
            subsequent_indent=" " * column,
        )
    return "\n".join(lines)
