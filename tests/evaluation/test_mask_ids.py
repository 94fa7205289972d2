"""Values of any tool's masks become ids, or are refused with what was found."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.data.mask_values import MOST_STORED
from segx.errors import ConfigError, DataError
from segx.evaluation.mask_ids import explain_ids, parse_classes, values_of


@pytest.mark.parametrize(
    ("truth", "predicted", "ids", "other"),
    [
        ({0, 255}, {0, 1}, {0: 0, 255: 1}, {0: 0, 1: 1}),
        ({0, 1}, {0, 255}, {0: 0, 1: 1}, {0: 0, 255: 1}),
        ({255}, {0}, {0: 0, 255: 1}, {0: 0, 1: 1}),
        ({0, 1, 2}, {0, 2}, {0: 0, 1: 1, 2: 2}, {0: 0, 1: 1, 2: 2}),
        ({0, 2}, {0}, {0: 0, 1: 1, 2: 2}, {0: 0, 1: 1, 2: 2}),
    ],
)
def test_ids_are_guessed_from_both_sides(
    truth: set[int], predicted: set[int], ids: dict[int, int], other: dict[int, int]
) -> None:
    real, named = explain_ids(truth, predicted)
    assert (dict(real.ids), dict(named.ids)) == (ids, other)
    assert real.labels == named.labels
    assert real.labels.names[0] == "background"
    assert len(real.labels.names) == max(ids.values()) + 1


def test_named_ids_need_not_follow_each_other() -> None:
    classes = parse_classes(["1=liver", "7=tumour"])
    real, named = explain_ids({0, 7}, {0, 1, 7}, classes=classes)
    assert real.labels.names == ("background", "liver", "tumour")
    assert real.ids == named.ids == {0: 0, 1: 1, 7: 2}
    stored = np.array([[0, 7], [1, 0]])
    assert named.to_ids(stored, source=Path("a")).tolist() == [[0, 2], [1, 0]]


def test_two_named_classes_are_zero_and_the_other_value() -> None:
    classes = parse_classes(["background", "vessel"])
    real, named = explain_ids({0, 128}, {0, 255}, classes=classes)
    assert (real.ids, named.ids) == ({0: 0, 128: 1}, {0: 0, 255: 1})


def test_an_ignored_value_of_the_truth_stays_itself() -> None:
    real, named = explain_ids({0, 1, 255}, {0, 1}, ignore_index=255)
    assert real.ids == {0: 0, 1: 1, 255: 255}
    assert real.labels.ignore_index == 255
    assert named.ids == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ("truth", "predicted", "classes", "message"),
    [
        ({0}, {0}, None, "0 and the prediction 0: .* can't be guessed"),
        ({0, 40}, {0, 1}, None, "0, 40 .* can't be guessed"),
        ({0, 128, 255}, {0}, None, "0, 128, 255 .* can't be guessed"),
        ({0, 1, 5}, {0}, ["background", "liver", "tumour"], "0, 1, 5; 5 stand"),
        ({0, 1}, {0, 1, 255}, None, "0, 1, 255"),
    ],
)
def test_values_without_a_meaning_are_refused(
    truth: set[int], predicted: set[int], classes: list[str] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        explain_ids(
            truth, predicted, classes=parse_classes(classes) if classes else None
        )


@pytest.mark.parametrize(
    "words",
    [
        ["liver"],
        ["a", "a"],
        ["1=a", "b"],
        ["1=a", "1=b"],
        ["1=a", "2=a"],
        ["70000=a"],
        [f"class {number}" for number in range(256)],
    ],
)
def test_classes_that_can_not_be_are_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="--classes"):
        parse_classes(words)


def test_values_that_are_no_ids_are_refused_with_the_file() -> None:
    assert values_of(np.array([[3, 0], [3, 3]]), source=Path("a.png")) == {0, 3}
    for value in (-1, 70_000):
        with pytest.raises(DataError, match=r"a\.nii .* 65535"):
            values_of(np.array([0, value]), source=Path("a.nii"))


@given(st.integers(0, MOST_STORED).filter(lambda value: value not in {0, 3, 5}))
def test_what_is_ignored_takes_no_class_with_it(ignored: int) -> None:
    classes = {0: "background", 3: "kidney", 5: "cyst"}
    real, named = explain_ids(
        {0, 3, 5, ignored}, {0, 3, 5}, classes=classes, ignore_index=ignored
    )
    assert real.labels == named.labels
    stored = np.array([0, 3, 5, ignored], np.uint16)
    ids = real.to_ids(stored, source=Path("a.png")).tolist()
    assert ids == [0, 1, 2, real.labels.ignore_index]
    assert ids[3] not in {0, 1, 2}


@pytest.mark.parametrize("ignored", [-1, MOST_STORED + 1])
def test_what_no_mask_can_hold_is_not_ignored(ignored: int) -> None:
    with pytest.raises(ConfigError, match=f"--ignore {ignored}: .* 0 … 65535"):
        explain_ids({0, 1}, {0, 1}, ignore_index=ignored)
