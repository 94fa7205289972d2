"""cases.csv holds all that the headlines are made of."""

import csv
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.errors import DataError
from segx.evaluation.cases import (
    COLUMNS,
    CaseRow,
    Distances,
    Size,
    case_rows,
    read_cases,
    write_cases,
)
from segx.metrics import Counts

names = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8)
counts = st.builds(Counts, *(st.integers(0, 10**12) for _ in range(4)))
lengths = st.floats(0, 1e6)
distances = st.builds(
    Distances,
    lengths | st.just(math.inf),
    st.none() | st.floats(0, 1),
    st.none() | lengths,
    st.sampled_from(["mm", "px"]),
)
sizes = st.builds(Size, lengths, st.sampled_from(["px", "mm2", "mm3"]))
rows = st.lists(
    st.builds(
        CaseRow,
        names,
        st.none() | names,
        names,
        counts,
        st.none() | distances,
        st.none() | sizes,
    ),
    max_size=6,
)


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


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_text(
        "case,patient,class,tp,fp,fn,tn,dice,iou,sensitivity,precision\n"
        "a,,cell,1,2,3,4,0.2857142857142857,0.16,0.25,0.33\n",
        encoding="utf-8",
    )
    (row,) = read_cases(path)
    assert row == CaseRow("a", None, "cell", Counts(1, 2, 3, 4))
    assert row.size == Size(4, "px")
    assert row.nsd is None


def test_an_undefined_distance_is_not_one_that_was_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    nothing = Counts(0, 0, 0, 9)
    undefined = Distances(math.nan, math.nan, 2.0, "mm")
    write_cases(
        path,
        [
            CaseRow("a", None, "cell", nothing, undefined),
            *case_rows("b", {"c": nothing}),
        ],
    )
    first, second = read_cases(path)
    assert first.distances is not None
    assert math.isnan(first.distances.hd95)
    assert second.distances is None


@pytest.mark.parametrize(("unit", "wrong"), [(",mm,", ",cm,"), (",px\n", ",m2\n")])
def test_units_that_are_none_are_refused(tmp_path: Path, unit: str, wrong: str) -> None:
    path = tmp_path / "cases.csv"
    found = Distances(1.0, 0.5, 2.0, "mm")
    write_cases(
        path, [CaseRow("a", None, "cell", Counts(1, 0, 0, 9), found, Size(1, "px"))]
    )
    text = path.read_text(encoding="utf-8")
    assert unit in text
    path.write_text(text.replace(unit, wrong), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 2: .* no unit; allowed are"):
        read_cases(path)
