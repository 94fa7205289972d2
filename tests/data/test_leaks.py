from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segx.data.case import Case, SplitName
from segx.data.defects import Code, Findings
from segx.data.leaks import find_identical, find_patient_leaks, find_similar
from tests.data.test_balance import facts

SPLITS: tuple[SplitName, ...] = ("train", "val", "test")

splits = st.sampled_from(SPLITS)


def case(name: str, split: SplitName | None, **keys: object) -> Case:
    return Case(name, Path(f"{name}.png"), split=split, **keys)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from("abcd"), splits), max_size=12))
def test_a_patient_leaks_if_and_only_if_it_stands_in_two_splits(
    places: list[tuple[str, SplitName]],
) -> None:
    cases = [
        case(str(number), split, patient=patient)
        for number, (patient, split) in enumerate(places)
    ]
    found = Findings()
    find_patient_leaks(cases, found)
    told = [item.found.split(",")[0][-1] for item in found.findings]
    parted = {
        patient
        for patient, _ in places
        if len({split for other, split in places if other == patient}) > 1
    }
    assert sorted(told) == sorted(parted)


def test_cases_without_a_patient_or_a_split_do_not_leak() -> None:
    found = Findings()
    find_patient_leaks([case("a", "train"), case("b", "test")], found)
    find_patient_leaks([case("a", None, patient="p")] * 2, found)
    assert found.findings == []


@given(st.lists(splits, min_size=2, max_size=6))
def test_identical_files_are_one_finding_an_error_across_splits(
    places: list[SplitName],
) -> None:
    cases = [case(str(number), split) for number, split in enumerate(places)]
    found = Findings()
    find_identical(cases, [[item.id for item in cases]], found)
    (finding,) = found.findings
    is_leak = len(set(places)) > 1
    assert finding.code is (Code.IMAGE_LEAK if is_leak else Code.IDENTICAL_IMAGES)
    named = places[int(finding.file.stem)]
    assert named == max(places, key=SPLITS.index)


def test_identical_files_with_two_labels_are_told_of() -> None:
    cases = [case("a", "train", label=0), case("b", "train", label=1)]
    found = Findings()
    find_identical(cases, [["a", "b"]], found)
    codes = [finding.code for finding in found.findings]
    assert codes == [Code.IDENTICAL_IMAGES, Code.CONFLICTING_LABELS]


def test_a_look_alike_names_its_nearest_and_identical_files_are_no_news() -> None:
    base = np.arange(255) % 2 == 0
    items = []
    for name, changed in {"a": 0, "b": 4, "c": 6, "d": 0, "far": 100}.items():
        bits = base.copy()
        bits[:changed] ^= True
        items.append(replace(facts(name), signature=bits))
    places: dict[str, SplitName] = {
        "a": "train",
        "b": "train",
        "c": "test",
        "d": "train",
        "far": "test",
    }
    found = Findings()
    find_similar(items, places, [["a", "d"]], found)
    told = {(item.code, item.file.stem): item.found for item in found.findings}
    assert set(told) == {
        (Code.SIMILAR_IMAGES, "b"),
        (Code.SIMILAR_IMAGES, "d"),
        (Code.SIMILAR_LEAK, "c"),
    }
    assert told[Code.SIMILAR_LEAK, "c"].startswith("looks like b.png: 99 % alike")
    of_one = [replace(i, case=replace(i.case, patient="p")) for i in items]
    found = Findings()
    find_similar(of_one, places, [], found)
    assert found.findings == []
