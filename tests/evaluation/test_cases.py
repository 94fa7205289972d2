"""cases.csv holds all that the headlines are made of."""

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.errors import DataError
from segx.evaluation.cases import COLUMNS, CaseRow, case_rows, read_cases, write_cases
from segx.metrics import Counts

names = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8)
counts = st.builds(Counts, *(st.integers(0, 10**12) for _ in range(4)))
rows = st.lists(st.builds(CaseRow, names, st.none() | names, names, counts), max_size=6)


@settings(max_examples=25)  # each waits for the disk
@given(rows)
def test_rows_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[CaseRow]
) -> None:
    path = tmp_path_factory.mktemp("cases") / "cases.csv"
    write_cases(path, rows)
    assert read_cases(path) == rows


def test_a_row_has_the_counts_and_their_ratios_in_full(tmp_path: Path) -> None:
    path = tmp_path / "test" / "cases.csv"
    found = {"cytoplasm": Counts(1, 1, 1, 6), "nucleus": Counts(0, 0, 0, 9)}
    write_cases(path, case_rows("007", found, patient="p1"))
    with path.open(encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert (first["case"], first["patient"], first["class"]) == (
        "007",
        "p1",
        "cytoplasm",
    )
    assert [int(first[key]) for key in ("tp", "fp", "fn", "tn")] == [1, 1, 1, 6]
    assert (float(first["dice"]), float(first["iou"])) == (0.5, 1 / 3)
    assert all(
        math.isnan(float(second[key]))
        for key in ("dice", "iou", "sensitivity", "precision")
    )


def test_a_count_that_is_no_whole_number_is_refused_with_its_row(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cases.csv"
    write_cases(path, case_rows("a", {"cell": Counts(1, 2, 3, 4)}))
    path.write_text(
        path.read_text(encoding="utf-8").replace(",2,", ",2.5,"), encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"row 2: .*'2\.5'"):
        read_cases(path)
