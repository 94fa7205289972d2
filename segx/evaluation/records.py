"""Results as files: tables in CSV and summaries in JSON, whole or not at all."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from segx.atomic import write_text
from segx.errors import DataError

__all__ = [
    "Json",
    "number_or_null",
    "read_json",
    "read_table",
    "write_json",
    "write_table",
]

Cell: TypeAlias = str | int | float | None
"""What a table's cell holds; None is written as an empty cell, a float in full."""

Json: TypeAlias = (
    "str | int | float | bool | Mapping[str, Json] | Sequence[Json] | None"
)
"""What a summary holds."""


def write_table(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> None:
    """Write a CSV file with one header line, in UTF-8.

    Undefined numbers are written as ``nan``, which NumPy, pandas and R read as such.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV file as one mapping a row; further columns are kept.

    Raises:
        DataError: If the file can't be read, lacks one of `columns`, or has a row
            with more or fewer cells than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file, strict=True) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} can't be read as a CSV file: {error}.") from error
    header = lines[0] if lines else []
    missing = [column for column in columns if column not in header]
    if missing:
        raise DataError(
            f"{path} has the columns {header}; {missing} must be there too. "
            "Take a file that segx wrote, or add them."
        )
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise DataError(
                f"{path}, row {number}: {len(line)} cells for {len(header)} columns. "
                "The file is cut off or was edited by hand; write it again."
            )
    return [dict(zip(header, line, strict=True)) for line in lines[1:]]


def write_json(path: Path, content: Json) -> None:
    """Write JSON for people and strict parsers: indented, without NaN."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Json:
    """Read a JSON file.

    Raises:
        DataError: If it can't be read.
    """
    try:
        content: Json = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} can't be read as JSON: {error}.") from error
    return content


def number_or_null(value: float) -> float | None:
    """A number as strict JSON has it: nan, which it lacks, becomes null."""
    return None if math.isnan(value) else value
