"""How findings are shown: a table for people, JSON for programs."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.table import Table
from rich.text import Text

from segx.data.defects import Finding, Severity, errors_among, plural
from segx.data.overview import Overview

__all__ = ["findings_json", "findings_table", "verdict"]

_SHOWN = 5
"""Most findings of a kind that the table spells out."""

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def findings_table(findings: Sequence[Finding], *, root: Path) -> Table:
    """One section a kind, so that 500 defects of a kind stay readable.

    Args:
        findings: Those of a kind one behind the other.
        root: Folder that files are shown relative to.
    """
    table = Table(show_header=False, show_lines=True, expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for code, kind in groupby(findings, key=lambda finding: finding.code):
        group = list(kind)
        name = Text(f"{code.severity}\n", style=_COLOURS[code.severity])
        name.append(f"{code.value}\n{len(group)}", style="default")
        table.add_row(name, _section(group, root))
    return table


def findings_json(found: Overview) -> str:
    """All findings and the counts, as a JSON object that ends with a line break."""
    errors = len(errors_among(found.findings))
    tree = {
        "root": str(found.root),
        "cases": dict(found.counts),
        "errors": errors,
        "warnings": len(found.findings) - errors,
        "findings": [
            {
                "code": finding.code.value,
                "severity": str(finding.severity),
                "file": str(finding.file),
                "found": finding.found,
                "expected": finding.expected,
                "fix": finding.fix,
            }
            for finding in found.findings
        ],
    }
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def verdict(findings: Sequence[Finding]) -> Text:
    """The last line: how many errors and warnings, and what that means."""
    errors = len(errors_among(findings))
    warnings = len(findings) - errors
    if not findings:
        return Text("No errors, no warnings.", style="green")
    counts = f"{plural(errors, 'error')}, {plural(warnings, 'warning')}."
    if not errors:
        return Text(f"{counts} segx fit would start.", style="yellow")
    return Text(f"{counts} segx fit starts when the errors are repaired.", style="red")


def _section(group: Sequence[Finding], root: Path) -> Text:
    """Title, some of the findings, and what to do; what all share is said once."""
    inside = f"{root}/"
    wanted = list(dict.fromkeys(finding.expected for finding in group))
    text = Text(f"{group[0].code.title}\n", style="bold")
    for finding in group[:_SHOWN]:
        name = "The set" if finding.file == root else str(finding.file)
        own = f"; expected: {finding.expected}" if len(wanted) > 1 else ""
        text.append(name.removeprefix(inside), style="cyan")
        text.append(f" {finding.found}{own}\n".replace(inside, ""), style="default")
    if len(group) > _SHOWN:
        more = f"… and {len(group) - _SHOWN} more; --json FILE lists all\n"
        text.append(more, style="default")
    if len(wanted) == 1:
        text.append(f"Expected: {wanted[0]}.\n".replace(inside, ""), style="default")
    fixes = list(dict.fromkeys(finding.fix for finding in group))
    text.append("\n".join(fixes[:_SHOWN]), style="italic")
    return text
