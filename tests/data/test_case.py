from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.data.case import Case, Layout, with_ids
from segx.data.defects import Code, DefectsError, Findings

ROOT = Path("set")


def images(*paths: str) -> list[Case]:
    return [Case("", ROOT / path) for path in paths]


def test_a_stem_that_stands_once_is_the_id() -> None:
    found = with_ids(images("images/b.png", "images/a.png"), root=ROOT)
    assert [case.id for case in found] == ["a", "b"]


def test_a_stem_of_two_splits_gets_its_folders_before_it() -> None:
    found = with_ids(images("train/images/1.png", "test/images/1.png"), root=ROOT)
    assert [case.id for case in found] == ["test-1", "train-1"]


def test_the_order_of_the_cases_changes_nothing() -> None:
    given_cases = images("train/images/1.png", "train/images/2.png", "x/2.png")
    assert with_ids(given_cases, root=ROOT) == with_ids(given_cases[::-1], root=ROOT)


@given(st.sets(st.tuples(st.sampled_from(["p", "q", "r"]), st.integers(0, 5))))
def test_ids_are_unique_and_fit_for_file_names(places: set[tuple[str, int]]) -> None:
    found = with_ids(images(*(f"{f}/images/{n}.png" for f, n in places)), root=ROOT)
    ids = [case.id for case in found]
    assert len(set(ids)) == len(ids)
    assert not any("/" in name for name in ids)


def test_of_two_cases_of_one_name_the_second_is_a_finding() -> None:
    found = Findings()
    two = with_ids(images("x/images/a.png", "x/A.png"), root=ROOT)
    layout = Layout.of(two, found, root=ROOT, kind="manifest")
    assert [case.image for case in layout.cases] == [ROOT / "x/A.png"]
    assert [finding.code for finding in layout.findings] == [Code.DOUBLED_STEM]
    assert layout.spare == (ROOT / "x/images/a.png",)
    with pytest.raises(DefectsError, match=r"x/A\.png"):
        layout.refuse_defects()
