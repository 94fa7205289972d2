"""Options that a model has no use for are refused by name, not passed over."""

import argparse
from collections.abc import Mapping

from segx.errors import ConfigError

__all__ = ["refuse_unused"]


def refuse_unused(
    arguments: argparse.Namespace, unused: Mapping[str, str], *, does: str
) -> None:
    """Refuse the first option that was given in vain.

    Args:
        arguments: What `segx predict` was told.
        unused: Options of no use, and why.
        does: What the model does instead, in words.

    Raises:
        ConfigError: If one of them was given.
    """
    for option, reason in unused.items():
        value = vars(arguments)[option.removeprefix("--").replace("-", "_")]
        if value is not None and value is not False and value != []:
            raise ConfigError(
                f"{option}: {arguments.model} {does}, and {reason}. Leave it out."
            )
