"""The option on test-time views, of all commands that predict."""

import argparse

__all__ = ["add_views"]


def add_views(parser: argparse._ActionsContainer) -> None:
    """Let a command be told to look at everything in several ways."""
    parser.add_argument(
        "--tta",
        choices=("none", "flips", "all"),
        default="none",
        help="average over test-time views: 4 flips, or 8 flips and turns",
    )
