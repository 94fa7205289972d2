"""What `segx test` and `segx evaluate` have in common: options and tables."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segx.cli.console import console
from segx.cli.results import policy_table, result_tables

if TYPE_CHECKING:
    from segx.evaluation.classification import ClassificationSummary
    from segx.evaluation.detection import DetectionSummary
    from segx.evaluation.policies import PolicyName
    from segx.evaluation.summary import Summary

__all__ = ["add_measures", "show_summary"]

_FILES = ("cases.csv", "summary.json", "report.html")


def add_measures(parser: argparse.ArgumentParser) -> None:
    """Options on what is measured and shown."""
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="MM",
        help="measure the surface Dice (nsd) at so many mm; px where sizes are unknown",
    )
    parser.add_argument(
        "--policy",
        choices=("segx", "monai", "nnunet", "smp", "pooled"),
        default="segx",
        help="show also what another tool would make of the same counts",
    )


def show_summary(
    summary: "Summary | ClassificationSummary | DetectionSummary",
    out: Path,
    *,
    title: str,
    policy: "PolicyName",
) -> None:
    """Print the tables, another tool's Dice where it was asked for, and the files."""
    from segx.evaluation.cases import read_cases
    from segx.evaluation.policies import dice_by_policy
    from segx.evaluation.summary import Summary

    for table in result_tables(summary, title=title):
        console.print(table)
    if policy != "segx" and isinstance(summary, Summary):
        found = dice_by_policy(read_cases(out / "cases.csv"), policy)
        console.print(policy_table(found))
        console.print(f"{policy}: {found.meaning}. Not what segx reports.\n")
    files = ", ".join(name for name in _FILES if (out / name).is_file())
    console.print(f"Written to {out}: {files}", highlight=False, soft_wrap=True)
