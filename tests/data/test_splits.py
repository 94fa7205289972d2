import csv
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.config import DataConfig
from segx.data.case import Case, Layout, SplitName
from segx.data.defects import DefectsError
from segx.data.splits import Splits, identical_files, split, write_splits
from segx.errors import DataError
from tests.data.sets import cases

PATIENTS = st.lists(st.none() | st.integers(0, 6), min_size=2, max_size=40)


def layout(items: tuple[Case, ...]) -> Layout:
    return Layout(Path("set"), items, kind="manifest")


def drawn(items: tuple[Case, ...], seed: int = 0, **keys: float) -> Splits:
    return split(layout(items), DataConfig.model_validate(keys), seed=seed)


def of_patients(patients: list[int | None]) -> tuple[Case, ...]:
    names = [None if number is None else f"p{number}" for number in patients]
    return cases(len(names), patients=names)


@given(PATIENTS, st.integers(0, 99), st.floats(0.05, 0.6), st.floats(0, 0.3))
def test_splits_are_disjoint_by_patient_and_lose_nobody(
    patients: list[int | None], seed: int, validation: float, test: float
) -> None:
    items = of_patients(patients)
    groups = {case.patient or case.id for case in items}
    if len(groups) < 3:
        return
    found = drawn(items, seed, validation_split=validation, test_split=test)
    seen = [{case.patient or case.id for case in part} for _, part in found.items()]
    assert sum(map(len, seen)) == len(groups) == len(set.union(*seen))
    assert sorted(row.case for row in found.to_rows()) == [case.id for case in items]
    assert found.train
    assert found.val


@given(PATIENTS, st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_order_of_the_cases_changes_nothing(
    patients: list[int | None], seed: int, shuffler: random.Random
) -> None:
    items = list(of_patients(patients))
    try:
        expected = drawn(tuple(items), seed)
    except DataError:
        return
    shuffler.shuffle(items)
    assert drawn(tuple(items), seed) == expected


def test_another_seed_draws_other_cases() -> None:
    first, second = (drawn(cases(30), seed).val for seed in (0, 1))
    assert first != second


@given(st.integers(10, 200), st.floats(0.05, 0.5))
def test_the_share_is_kept_where_cases_stand_alone(count: int, share: float) -> None:
    found = drawn(cases(count), validation_split=share)
    assert len(found.val) == max(1, round(share * count))


def test_labels_are_drawn_in_proportion() -> None:
    items = tuple(
        Case(f"{number:03d}", Path(f"{number}.png"), label=int(number < 20))
        for number in range(100)
    )
    found = drawn(items, validation_split=0.25)
    labels = [case.label for case in found.val]
    assert (labels.count(0), labels.count(1)) == (20, 5)


def test_a_class_of_one_case_stays_in_training() -> None:
    items = (*cases(10), Case("rare", Path("rare.png"), label=7))
    assert "rare" in [case.id for case in drawn(items).train]


def test_given_splits_are_kept_and_validation_comes_from_training() -> None:
    parts: tuple[SplitName, ...] = ("train",) * 8 + ("test",) * 4
    items = tuple(
        Case(f"{number:02d}", Path(f"{number}.png"), split=part)
        for number, part in enumerate(parts)
    )
    found = drawn(items, validation_split=0.25)
    assert {case.id for case in found.test} == {"08", "09", "10", "11"}
    assert (len(found.train), len(found.val)) == (6, 2)


def test_cases_that_belong_together_in_two_given_splits_are_refused() -> None:
    items = (
        Case("a", Path("a.png"), patient="p", split="train"),
        Case("b", Path("b.png"), patient="p", split="test"),
    )
    with pytest.raises(DefectsError, match="a in train, b in test"):
        drawn(items)


def test_identical_files_stay_together(tmp_path: Path) -> None:
    for name, content in (("a", b"x"), ("b", b"y"), ("c", b"x"), ("d", b"longer")):
        (tmp_path / f"{name}.png").write_bytes(content)
    items = tuple(Case(name, tmp_path / f"{name}.png") for name in "abcd")
    same = identical_files(items)
    assert same == [("a", "c")]
    for seed in range(8):
        found = split(layout(items), DataConfig(), seed=seed, same=same)
        where = {row.case: row.split for row in found.to_rows()}
        assert where["a"] == where["c"]


def test_files_that_can_not_be_read_are_like_no_other(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "other.png").mkdir()
    names = ("folder", "other", "missing")
    items = tuple(Case(name, tmp_path / f"{name}.png") for name in names)
    assert identical_files(items) == []


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (cases(1), "can't be split"),
        (cases(6, patients=["p"]), "6 cases .* in 1 group"),
        ((Case("a", Path("a.png"), split="test"),), "no training cases"),
    ],
)
def test_too_few_cases_are_refused(items: tuple[Case, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        drawn(items)


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="leave nothing to train on"):
        drawn(cases(9), validation_split=0.6, test_split=0.5)


def test_splits_that_share_a_case_or_a_patient_can_not_be_made() -> None:
    one = Case("a", Path("a.png"), patient="p")
    other = Case("b", Path("b.png"), patient="p")
    with pytest.raises(DefectsError, match="case a stands in train and val"):
        Splits((one,), (one,), ())
    with pytest.raises(DefectsError, match="patient p stands in test and train"):
        Splits((one,), (), (other,))


def test_splits_are_written_as_rows(tmp_path: Path) -> None:
    found = drawn(cases(4, patients=["p, q", None]))
    write_splits(tmp_path / "splits.csv", found)
    with (tmp_path / "splits.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["case", "patient", "split"], *map(list, found.to_rows())]
