"""Two models on the same cases: paired, by patient, and what can't be paired told."""

import math
from pathlib import Path

import numpy as np
import pytest

from segx.errors import DataError
from segx.evaluation.cases import CaseRow, Distances, read_cases, write_cases
from segx.evaluation.classified_file import kind_of
from segx.evaluation.compare import compare, results_file
from segx.metrics import Counts


def rows_of(
    scores: dict[str, tuple[int, ...]], *, patients: dict[str, str] | None = None
) -> list[CaseRow]:
    """A row a case and class, whose Dice is the given tenths."""
    names = ("cytoplasm", "nucleus")
    return [
        CaseRow(
            case,
            (patients or {}).get(case),
            name,
            Counts(tenths, 10 - tenths, 10 - tenths, 80),
        )
        for case, values in scores.items()
        for name, tenths in zip(names, values, strict=True)
    ]


def some(seed: int, *, better: int = 0, count: int = 40) -> list[CaseRow]:
    random = np.random.default_rng(seed)
    hard = np.random.default_rng(0).integers(0, 5, (count, 1))
    tenths = np.clip(4 + hard + random.integers(-1, 2, (count, 2)) + better, 0, 10)
    return rows_of({f"case{i:02}": tuple(row) for i, row in enumerate(tenths.tolist())})


def test_a_better_model_is_told_from_an_equal_one() -> None:
    found = compare(some(1), some(2, better=1))
    assert found.foreground.difference.low > 0.05
    assert "second is better" in found.foreground.verdict()
    assert found.n_cases == found.n_patients == 40
    for item in found.classes:
        assert item.difference.value == pytest.approx(item.second - item.first)
        assert item.wins > item.losses
    equal = compare(some(1), some(1))
    assert equal.foreground.difference.value == 0
    assert "holds 0" in equal.foreground.verdict()
    assert (equal.foreground.wins, equal.foreground.losses) == (0, 0)


def test_changing_places_changes_the_sign() -> None:
    there, back = compare(some(1), some(2)), compare(some(2), some(1))
    gap, mirrored = there.foreground.difference, back.foreground.difference
    assert gap.value == pytest.approx(-mirrored.value)
    assert (gap.low, gap.high) == pytest.approx((-mirrored.high, -mirrored.low))
    assert (there.foreground.wins, there.foreground.losses) == (
        back.foreground.losses,
        back.foreground.wins,
    )
    assert "first is better" in compare(some(2, better=1), some(1)).foreground.verdict()


def test_pairs_see_what_two_intervals_do_not() -> None:
    # Cases differ far more from each other than the models do.
    found = compare(some(1), some(1, better=1))
    dice = np.array([row.counts.dice for row in some(1)])
    assert dice.std() > found.foreground.difference.value
    assert found.foreground.difference.low > 0


def test_cases_are_matched_by_name_and_those_of_one_side_are_listed() -> None:
    first, second = some(1), some(2)
    found = compare(first[2:], list(reversed(second[:-2])))
    assert found.only_first == ("case39",)
    assert found.only_second == ("case00",)
    assert found.n_cases == 38
    whole = compare(first[2:-2], second[2:-2])
    assert found.foreground.difference == whole.foreground.difference


def test_cases_where_only_one_is_defined_are_counted_apart() -> None:
    nothing, false = Counts(0, 0, 0, 100), Counts(0, 3, 0, 97)
    first = [CaseRow("a", None, "cell", nothing), CaseRow("b", None, "cell", nothing)]
    second = [CaseRow("a", None, "cell", nothing), CaseRow("b", None, "cell", false)]
    (cell,) = compare(first, second).classes
    assert (cell.n_only_first, cell.n_only_second) == (0, 1)
    assert cell.difference.n == 0
    assert math.isnan(cell.difference.value)
    assert "too few" in cell.verdict()


def test_patients_are_drawn_not_cases() -> None:
    ids = [f"case{i:02}" for i in range(40)]
    one = dict.fromkeys(ids, "p")
    first, second = some(1), some(2)
    scores = {
        side: {
            case: tuple(row.counts.tp for row in rows if row.case == case)
            for case in ids
        }
        for side, rows in (("first", first), ("second", second))
    }
    # What only one of the two knows holds for both.
    for ours, theirs in ((one, one), (one, None), (None, one)):
        found = compare(
            rows_of(scores["first"], patients=ours),
            rows_of(scores["second"], patients=theirs),
        )
        assert found.n_patients == 1
        assert "too few patients" in found.foreground.verdict()


def test_what_can_not_be_compared_is_refused() -> None:
    rows = some(1)
    renamed = [
        CaseRow(row.case, None, row.class_name + "x", row.counts) for row in rows
    ]
    elsewhere = [
        CaseRow("z" + row.case, None, row.class_name, row.counts) for row in rows
    ]
    with pytest.raises(DataError, match=r"'cytoplasm'.*'cytoplasmx'"):
        compare(rows, renamed)
    with pytest.raises(DataError, match="No case is in both"):
        compare(rows, elsewhere)
    with pytest.raises(DataError, match="--tolerance"):
        compare(rows, rows, metric="nsd")
    other = [
        CaseRow(row.case, None, row.class_name, Counts(1, 0, 0, 9)) for row in rows
    ]
    with pytest.raises(DataError, match=r"'case00' has 10 px of 'cytoplasm' .* 1 in"):
        compare(rows, other)


def test_surfaces_are_compared_at_one_tolerance() -> None:
    def with_nsd(tolerance: float, nsd: float) -> list[CaseRow]:
        found = Distances(1.0, nsd, tolerance, "mm")
        return [
            CaseRow(case, None, "cell", Counts(1, 0, 0, 9), found) for case in "abc"
        ]

    found = compare(with_nsd(1, 0.5), with_nsd(1, 0.75), metric="nsd")
    assert found.foreground.difference.value == pytest.approx(0.25)
    with pytest.raises(DataError, match="tolerance"):
        compare(with_nsd(1, 0.5), with_nsd(2, 0.75), metric="nsd")


def test_results_are_found_in_a_run_in_a_folder_and_as_a_file(tmp_path: Path) -> None:
    rows = some(1, count=3)
    for folder in ("run/test", "results"):
        write_cases(tmp_path / folder / "cases.csv", rows)
    for name in ("run", "run/test", "results", "results/cases.csv"):
        file = results_file(tmp_path / name)
        assert read_cases(file) == rows
        assert kind_of(file) == "masks"
    with pytest.raises(DataError, match="segx evaluate TRUTH"):
        results_file(tmp_path)
    (tmp_path / "config.yaml").touch()
    with pytest.raises(DataError, match="segx test"):
        results_file(tmp_path)
