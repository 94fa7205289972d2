from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.data.table import Table, read_table
from segx.errors import DataError


def read(folder: Path, content: str | bytes) -> Table:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path, column="image")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_spreadsheets_of_every_kind_are_read(
    tmp_path: Path, separator: str, start: str, end: str
) -> None:
    lines = [["image", "mask"], ["a", "b"], ["", ""], ["c", ""]]
    text = start + end.join(separator.join(cells) for cells in lines)
    table = read(tmp_path, text)
    assert table.header == ("image", "mask")
    assert [row.line for row in table.rows] == [2, 4]
    assert table.rows[0].get("mask") == "b"
    assert table.rows[1].get("mask") is None
    assert table.rows[1].get(None) is None


def test_quotes_keep_a_separator(tmp_path: Path) -> None:
    assert read(tmp_path, 'image\n"a, b"\n').rows[0].get("image") == "a, b"


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0b", "\x1c", "\f"])
def test_lines_end_where_csv_ends_them(tmp_path: Path, mark: str) -> None:
    rows = read(tmp_path, f'image\na{mark}b\n"c\nd"\n').rows
    assert [row.get("image") for row in rows] == [f"a{mark}b", "c\nd"]


def test_a_header_may_have_quotes_and_a_spreadsheets_empty_columns(
    tmp_path: Path,
) -> None:
    table = read(tmp_path, 'image,"size, mm",,\na,"3, 4",,\n')
    assert table.header == ("image", "size, mm", "", "")
    assert table.rows[0].get("size, mm") == "3, 4"
    assert table.findings == ()


def test_lines_of_another_length_are_named(tmp_path: Path) -> None:
    table = read(tmp_path, "image,mask\na,b\na\na,b,c\n")
    assert [item.found for item in table.findings] == [
        "line 3 has 1 cell",
        "line 4 has 3 cells",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column 'image'"),
        ("picture,mask\n", "first line is 'picture,mask'"),
        ("image,image\n", "column twice"),
        (b"image\n\xff\xfe\n", "can't be read as CSV in UTF-8"),
        ('image\n"a', "can't be read as CSV"),
    ],
)
def test_what_is_no_table_is_refused(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


@given(content=st.binary(max_size=200), proper=st.booleans())
def test_any_bytes_are_a_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, proper: bool
) -> None:
    try:
        table = read(tmp_path_factory.mktemp("fuzz"), b"image\n" * proper + content)
    except DataError:
        return
    assert "image" in table.header
