"""How commands speak: results to stdout, messages to stderr, errors with one look."""

import logging

from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

from segx.errors import SegxError

__all__ = ["console", "messages", "set_up_logging", "show_error"]

console = Console()
messages = Console(stderr=True)


def set_up_logging() -> None:
    """Show what segx logs; keep libraries to warnings."""
    handler = RichHandler(
        console=messages,
        show_path=False,
        show_time=False,
        show_level=False,
        markup=False,
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("segx")
    if not logger.handlers:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def show_error(command: str, error: SegxError) -> None:
    """Print an error for people: where it happened, then what it says."""
    text = Text(f"segx {command}: ", style="bold red")
    text.append(str(error), style="default")
    messages.print(text, soft_wrap=True)
