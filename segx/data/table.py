"""A CSV file as a header and rows that know their line."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segx.data.defects import Code, Finding, plural
from segx.errors import DataError

__all__ = ["Row", "Table", "read_table"]


@dataclass(frozen=True)
class Row:
    """One filled line of a table: its number in the file, and a text a column."""

    line: int
    cells: Mapping[str, str]

    def get(self, column: str | None) -> str | None:
        """The cell's text; nothing for an empty cell or no column."""
        return (self.cells[column] or None) if column is not None else None


@dataclass(frozen=True)
class Table:
    """A header, its rows, and a finding for each line that does not fit the header."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]


def read_table(path: Path, *, column: str, exact: bool = False) -> Table:
    """Read a CSV file in UTF-8.

    The separator is the comma, semicolon or tabulator that makes `column` a column of
    the header.

    Args:
        path: The file.
        column: A column that must be there.
        exact: Leave spaces around a text: we wrote the file, and they are of a name.

    Raises:
        DataError: If the file is no CSV text, or its header lacks `column` or holds a
            name twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} can't be read as CSV in UTF-8: {error}.") from error
    # Not splitlines: it breaks at characters that a name may hold, such as U+2028.
    lines = io.StringIO(text).readlines()
    first = lines[0].rstrip("\n") if lines else ""
    for separator in ",;\t":
        names = next(csv.reader([first], delimiter=separator), [])
        header = tuple(name.strip() for name in names)
        if column in header:
            break
    else:
        raise DataError(
            f"{path} has no column {column!r}; its first line is {first[:200]!r}. "
            "Set data.columns.image to the column that names the images."
        )
    named = [name for name in header if name]  # a spreadsheet may add empty ones
    if len(set(named)) != len(named):
        raise DataError(f"{path} has a column twice: {', '.join(header)}.")
    rows, findings = [], []
    try:
        reader = csv.reader(lines[1:], delimiter=separator, strict=True)
        for cells in reader:
            line = reader.line_num + 1
            if len(cells) == len(header):
                texts = (cell if exact else cell.strip() for cell in cells)
                rows.append(Row(line, dict(zip(header, texts, strict=True))))
            elif any(cells):
                findings.append(
                    Finding(
                        Code.MANIFEST_ROW,
                        path,
                        found=f"line {line} has {plural(len(cells), 'cell')}",
                        expected=f"{len(header)}, as in the header",
                        fix="Put texts that hold a separator in quotes.",
                    )
                )
    except csv.Error as error:
        raise DataError(f"{path} can't be read as CSV: {error}.") from error
    filled = tuple(row for row in rows if any(row.cells.values()))
    return Table(header, filled, tuple(findings))
