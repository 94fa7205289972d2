"""The headlines follow from cases.csv alone."""

import csv
import json
import math
from collections import defaultdict
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.errors import DataError
from segx.evaluation.cases import CaseRow, case_rows, read_cases, write_cases
from segx.evaluation.masks import MaskEvaluation
from segx.evaluation.summary import POLICY, summarise
from segx.evaluation.summary_file import write_summary
from segx.labels import Labels
from segx.metrics import Counts

CELLS = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
FOUR = (
    Counts(10, 0, 0, 90),
    Counts(5, 5, 5, 85),
    Counts(0, 0, 0, 100),
    Counts(0, 1, 0, 99),
)


def rows_of(counts: list[tuple[Counts, Counts]]) -> list[CaseRow]:
    """One case a pair, its two classes, two cases a patient."""
    return [
        row
        for number, (first, second) in enumerate(counts)
        for row in case_rows(
            f"case{number}",
            {"cytoplasm": first, "nucleus": second},
            patient=f"p{number // 2}",
        )
    ]


small = st.builds(Counts, *(st.integers(0, 3) for _ in range(4)))
tables = st.lists(st.tuples(small, small), min_size=1, max_size=6).map(rows_of)


@settings(max_examples=25)  # each waits for the disk
@given(tables)
def test_every_headline_is_recomputed_from_the_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[CaseRow]
) -> None:
    folder = tmp_path_factory.mktemp("test")
    write_cases(folder / "cases.csv", rows)
    write_summary(folder / "summary.json", summarise(rows))
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))

    # What anyone can do with the file alone:
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with (folder / "cases.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            for key in ("dice", "iou", "sensitivity", "precision"):
                scores[key][line["class"]].append(float(line[key]))
    for key, classes in scores.items():
        defined = {name: np.array(v)[~np.isnan(v)] for name, v in classes.items()}
        means = {name: v.mean() if len(v) else np.nan for name, v in defined.items()}
        known = [mean for mean in means.values() if not np.isnan(mean)]
        for name, mean in means.items():
            assert_same(summary["classes"][name][key]["value"], mean)
        assert_same(
            summary["foreground"][key]["value"], np.mean(known) if known else np.nan
        )


def test_ten_lines_of_pandas_give_every_headline(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="comes with segx[test]")
    evaluation = MaskEvaluation(CELLS, unit="px", tolerance=1.0)
    random = np.random.default_rng(0)
    for number in range(9):
        truth, predicted = random.integers(0, 3, (2, 8, 8)).astype(np.uint8)
        truth[truth == number % 4] = 0  # some classes are absent
        predicted[predicted == (number + 1) % 4] = 0
        evaluation.add(f"case{number}", truth, predicted, patient=f"p{number // 2}")
    evaluation.write(tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))

    # What anyone can do with the file alone:
    names = ["dice", "iou", "sensitivity", "precision", "nsd", "volume_error"]
    table = pandas.read_csv(tmp_path / "cases.csv").set_index("class")
    means = table.groupby("class")[names].mean()
    hd95 = table["hd95"][np.isfinite(table["hd95"])].groupby("class").median()
    failures = np.isinf(table["hd95"]).groupby("class").sum()
    real, named = table.tp + table.fn > 0, table.tp + table.fp > 0
    presence = named[real].groupby("class").mean()
    missed = (real & (table.tp == 0)).groupby("class").sum()
    pooled = table.groupby("class")[["tp", "fp", "fn"]].sum()
    dice_global = 2 * pooled.tp / (2 * pooled.tp + pooled.fp + pooled.fn)

    for name, found in summary["classes"].items():
        for key in names:
            assert found[key]["value"] == pytest.approx(means[key][name])
        assert found["hd95"]["median"] == pytest.approx(hd95[name])
        assert found["hd95"]["n_failures"] == failures[name]
        assert found["presence_sensitivity"]["value"] == pytest.approx(presence[name])
        assert found["n_missed"] == missed[name]
        assert found["dice_global"] == pytest.approx(dice_global[name])
    for key in ("dice", "iou", "sensitivity", "precision", "nsd"):
        assert summary["foreground"][key]["value"] == pytest.approx(means[key].mean())


def test_cases_are_grouped_by_the_size_of_their_truth() -> None:
    rows = [
        CaseRow(f"{i}", None, "cell", Counts(size // 2, 0, size - size // 2, 0))
        for i, size in enumerate((40, 0, 8, 10, 20, 30, 2))
    ]
    (cell,) = summarise(rows).classes
    groups = [(group.smallest, group.largest, group.dice.n) for group in cell.by_size]
    assert groups == [(2, 8, 2), (10, 20, 2), (30, 40, 2)]
    assert {group.unit for group in cell.by_size} == {"px"}
    assert summarise(rows[:3]).classes[0].by_size == ()


def assert_same(found: float | None, wanted: float) -> None:
    assert (math.nan if found is None else found) == pytest.approx(wanted, nan_ok=True)


@settings(max_examples=20)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_number(
    rows: list[CaseRow], random: Random
) -> None:
    shuffled = random.sample(rows, len(rows))
    there, back = summarise(rows), summarise(shuffled)
    by_name = {item.name: item for item in back.classes}
    for item in there.classes:
        assert repr(item) == repr(by_name[item.name])
    assert there.foreground.dice.value == pytest.approx(
        back.foreground.dice.value, nan_ok=True
    )


def test_the_four_case_truth_table() -> None:
    rows = [
        row
        for i, count in enumerate(FOUR)
        for row in case_rows(f"{i}", {"cell": count})
    ]
    (cell,) = summarise(rows).classes
    assert cell.dice.value == pytest.approx(0.500)
    assert cell.dice_global == pytest.approx(0.732, abs=5e-4)
    assert (cell.n_defined, cell.n_empty_truth, cell.n_false_positive_on_empty) == (
        3,
        2,
        1,
    )
    assert cell.n_missed == 0
    assert summarise(rows).n_cases == summarise(rows).n_patients == 4


def test_a_missed_object_is_counted_and_costs_a_whole_case() -> None:
    missed, elsewhere = Counts(0, 0, 9, 91), Counts(0, 9, 9, 82)
    (cell,) = summarise(
        [*case_rows("a", {"cell": missed}), *case_rows("b", {"cell": elsewhere})]
    ).classes
    means = (cell.dice, cell.sensitivity, cell.precision)
    assert (cell.n_missed, *(mean.value for mean in means)) == (2, 0, 0, 0)


def test_patients_are_counted_once() -> None:
    summary = summarise(rows_of([(FOUR[0], FOUR[1])] * 5))
    assert (summary.n_cases, summary.n_patients) == (5, 3)


def test_the_file_states_the_policy_and_is_strict_json(tmp_path: Path) -> None:
    rows = case_rows("a", {"cell": FOUR[2]})
    write_summary(tmp_path / "summary.json", summarise(rows))
    text = (tmp_path / "summary.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    content = json.loads(text)
    assert content["policy"] == POLICY
    assert "Under 50 patients" in content["interval"]["warning"]
    assert content["foreground"]["dice"]["value"] is None
    assert content["classes"]["cell"]["n_defined"] == 0


def test_it_can_be_read_again_and_summarised(tmp_path: Path) -> None:
    rows = rows_of([(FOUR[0], FOUR[3]), (FOUR[1], FOUR[1])])
    write_cases(tmp_path / "cases.csv", rows)
    assert summarise(read_cases(tmp_path / "cases.csv")) == summarise(rows)


def test_tables_with_holes_are_refused() -> None:
    rows = rows_of([(FOUR[0], FOUR[1])] * 2)
    with pytest.raises(DataError, match="no case"):
        summarise([])
    with pytest.raises(DataError, match="'case1' has the class 'nucleus' twice"):
        summarise([*rows, rows[-1]])
    with pytest.raises(DataError, match="'nucleus' has no row for 1 of 2"):
        summarise(rows[:-1])
