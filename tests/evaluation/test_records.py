"""Tables and summaries come back as they were written, or not at all."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.errors import DataError
from segx.evaluation.records import (
    number_or_null,
    read_json,
    read_table,
    write_json,
    write_table,
)

# A carriage return or a NUL is no part of a name; csv would keep neither.
text = st.text(st.characters(exclude_characters="\r\0", codec="utf-8"), max_size=8)


@settings(max_examples=25)  # each waits for the disk
@given(st.lists(st.tuples(text, st.integers(), st.floats()), max_size=5))
def test_a_table_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, float]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    write_table(path, ("name", "count", "value"), rows)
    found = read_table(path, ("value", "name"))
    assert [(line["name"], int(line["count"])) for line in found] == [
        (name, count) for name, count, _ in rows
    ]
    for line, (_, _, value) in zip(found, rows, strict=True):
        read = float(line["value"])
        assert read == value or (math.isnan(read) and math.isnan(value))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"columns \[\]; \['case'\]"),
        ("name\na\n", r"\['case'\] must be there"),
        ("case,x\na,1\nb\n", "row 3: 1 cells for 2 columns"),
        ('case,x\n"a,1\n', "can't be read as a CSV"),
    ],
)
def test_a_table_that_is_none_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_table(path, ("case",))


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("case,x\r\nä,1\r\n".encode("utf-8-sig"))
    assert read_table(path, ("case",)) == [{"case": "ä", "x": "1"}]


def test_json_is_strict_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_json(path, {"dice": number_or_null(math.nan), "n": 3, "names": ["a"]})
    assert read_json(path) == {"dice": None, "n": 3, "names": ["a"]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"dice": math.nan})
    assert read_json(path) == {"dice": None, "n": 3, "names": ["a"]}


def test_files_that_are_absent_or_cut_are_named(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    with pytest.raises(DataError, match=r"summary\.json can't be read"):
        read_json(path)
    path.write_text('{"dice":', encoding="utf-8")
    with pytest.raises(DataError, match=r"summary\.json can't be read"):
        read_json(path)
    with pytest.raises(DataError, match=r"none\.csv can't be read"):
        read_table(tmp_path / "none.csv", ("case",))
