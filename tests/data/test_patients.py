from pathlib import Path

import pytest
from pydantic import ValidationError

from segx.config import DataConfig
from segx.data.case import Case, Layout
from segx.data.patients import with_patients
from segx.errors import DataError


def layout(*names: str) -> Layout:
    items = (Case(name, Path(f"{name}.png")) for name in names)
    return Layout(Path("set"), tuple(items), kind="folders")


@pytest.mark.parametrize(
    "pattern", [r"^(p\d+)_", r"(p\d+)_(\d+)", r"(.)\d+_(?P<patient>.*?)\.png"]
)
def test_a_group_is_the_patient(pattern: str) -> None:
    found = with_patients(layout("p1_01", "p1_02", "p22_01"), pattern)
    named = "patient" in pattern
    expected = ["01", "02", "01"] if named else ["p1", "p1", "p22"]
    assert [case.patient for case in found.cases] == expected


def test_spaces_are_no_part_of_a_patient() -> None:
    found = with_patients(layout("p1 - 01", "p1 - 02"), "^(.+?)-")
    assert {case.patient for case in found.cases} == {"p1"}


def test_names_that_do_not_match_are_listed() -> None:
    with pytest.raises(DataError, match=r"2 of 3 file names: b\.png, c\.png\."):
        with_patients(layout("p1_01", "b", "c"), r"^(p\d+)_")
    with pytest.raises(DataError, match=r"6 of 6 file names: .* and 1 more"):
        with_patients(layout(*"abcdef"), r"^(p\d+)_")
    with pytest.raises(DataError, match="1 of 1 file name"):
        with_patients(layout("x"), "(p*)")


def test_patients_that_are_known_are_not_read_again() -> None:
    known = Layout(Path("set"), (Case("a", Path("a.png"), patient="p"),), "manifest")
    with pytest.raises(DataError, match="tells the patients already"):
        with_patients(known, "(a)")
    assert with_patients(known, None) is known


@pytest.mark.parametrize(("pattern", "message"), [("p1", "group"), ("(p1", "regular")])
def test_patterns_that_can_not_work_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataConfig(patient_pattern=pattern)


@pytest.mark.parametrize(
    "keys", [{"crop": 0}, {"resize": [64, 0]}, {"workers": -1}, {"channels": 0}]
)
def test_numbers_that_can_not_be_are_refused(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="or more"):
        DataConfig.model_validate(keys)


@pytest.mark.parametrize("keys", [{"fold": 0}, {"fold": 3, "folds": 3}, {"folds": 1}])
def test_folds_that_do_not_exist_are_refused(keys: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        DataConfig.model_validate(keys)
