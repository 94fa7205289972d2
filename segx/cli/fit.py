"""segx fit: train a network."""

import argparse
from pathlib import Path

from segx.cli.console import console
from segx.config import config_keys, parse_overrides, read_config
from segx.errors import ConfigError

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Parse the command line, train, and say what to type next."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    _check_usage(arguments)
    name = arguments.name or Path(arguments.config).stem
    config = read_config(
        arguments.config or arguments.runs / name / "config.yaml", parse_overrides(rest)
    )
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.training.budget import parse_budget
    from segx.training.fit import fit
    from segx.training.processes import is_first
    from segx.training.run import RunFolder

    folder = RunFolder(arguments.runs / name)
    fit(
        config,
        folder,
        budget_s=parse_budget(arguments.budget) if arguments.budget else None,
        resume=arguments.ckpt_path == "last",
        progress=not arguments.quiet,
    )
    if not is_first():
        return 0
    console.print(f"Trained: {folder.path}", highlight=False)
    console.print(f"  measure it:  segx test {folder.path}", highlight=False)
    console.print(
        f"  use it:      segx predict {folder.path} IMAGE… -o OUT", highlight=False
    )
    return 0


def _check_usage(arguments: argparse.Namespace) -> None:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="segx fit",
        description="Train a network. Any key of the config can be set: "
        "--data.root DIR --model.decoder FPN --trainer.max_epochs 20",
        epilog="Keys: " + "  ".join(f"--{key}" for key in config_keys()),
        allow_abbrev=False,
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
