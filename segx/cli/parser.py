"""The parser of every command: a misspelt option is told the nearest one."""

import argparse
import difflib
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Parser", "positive"]

_WIDTH = 80

_PLAIN = {
    "--max_epochs": "--trainer.max_epochs",
    "--lr": "--training.optimizer.lr",
}
"""What is often asked for by its last part, and the key that it stands for."""


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that takes no abbreviations and says what was meant.

    Args:
        prog: What is typed to call the command.
        description: What it does.
        epilog: What the help ends with; its lines stay as they are.
    """

    def __init__(self, *, prog: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog=prog,
            description=textwrap.fill(description, _WIDTH),
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def parse_args(  # type: ignore[override]  # no command brings its own namespace
        self, args: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """Parse a command line, all of whose options the parser knows."""
        words = sys.argv[1:] if args is None else args
        self._refuse_unknown(words, meant={})
        return super().parse_args(words)

    def parse_with_keys(
        self, args: Sequence[str]
    ) -> tuple[argparse.Namespace, list[tuple[str, Any]]]:
        """Parse a command line on which keys of a config may stand, too.

        Returns:
            The options, and the keys with their values.

        Raises:
            ConfigError: If a key has no value, or a word is neither option nor key.
        """
        from segx.config import config_keys, parse_overrides

        keys = [f"--{key.name}" for key in config_keys()]
        sections = {key.partition(".")[0] for key in keys}
        args = [_spelt_out(word) for word in args]
        self._refuse_unknown(
            [word for word in args if _name(word).partition(".")[0] not in sections],
            # A key's last part alone means the first key that ends in it.
            meant={
                **{f"--{key.rpartition('.')[2]}": key for key in reversed(keys)},
                **_PLAIN,
            },
        )
        arguments, rest = self.parse_known_args(args)
        return arguments, parse_overrides(rest)

    def _refuse_unknown(
        self, words: Iterable[str], *, meant: Mapping[str, str]
    ) -> None:
        """Exit with the nearest option, or what its name means, if one is unknown."""
        known = {name: name for name in self._option_string_actions}
        names = {**meant, **known}
        for word in words:
            if word == "--":
                return
            if not word.startswith("--") or _name(word) in known:
                continue
            near = difflib.get_close_matches(_name(word), names, n=1)
            hint = f"Did you mean {names[near[0]]}?" if near else "Options: --help"
            self.error(f"there is no option {_name(word)}. {hint}")


def positive(text: str) -> int:
    """The type of an option that takes a whole number, 1 or more."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: take a whole number, 1 or more")
    return number


def _spelt_out(word: str) -> str:
    """The key that a plain name stands for; any other word is itself."""
    name, equals, value = word.partition("=")
    return _PLAIN.get(name, name) + equals + value


def _name(word: str) -> str:
    """An option without the value that it may hold."""
    return word.partition("=")[0]
