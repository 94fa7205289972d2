from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from segx.config import DataConfig
from segx.data.mask_values import (
    MOST_UNNAMED,
    FoundValue,
    MaskValues,
    explain_values,
)
from segx.errors import DataError


def explain(
    values: Iterable[int], planes: tuple[str, ...] | None = None, **keys: object
) -> MaskValues:
    found = {value: FoundValue(100, 1, Path(f"{value}.png")) for value in values}
    return explain_values(found, DataConfig.model_validate(keys), planes=planes)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"name_{number}" for number in range(count))


@given(st.integers(2, MOST_UNNAMED))
def test_ids_without_a_gap_stand_for_themselves(count: int) -> None:
    values = explain(range(count))
    assert values.ids == {value: value for value in range(count)}
    assert not values.is_mapped
    assert values.labels.kind == ("binary" if count == 2 else "multiclass")
    assert values.labels.names[:2] == ("background", "class_1")


@given(st.integers(2, 65535))
def test_zero_and_one_other_value_are_background_and_a_class(value: int) -> None:
    values = explain([0, value])
    assert values.ids == {0: 0, value: 1}
    assert values.is_mapped
    assert values.labels.kind == "binary"


@given(st.sets(st.integers(0, 255), min_size=3, max_size=8))
def test_values_with_gaps_are_refused_unless_the_classes_are_named(
    found: set[int],
) -> None:
    assume(max(found) >= len(found))
    with pytest.raises(DataError, match=rf"name {len(found)} classes"):
        explain(found)
    values = explain(found, classes=names(len(found)))
    assert values.ids == {value: index for index, value in enumerate(sorted(found))}


def test_more_names_than_values_are_ids_of_which_some_are_unused() -> None:
    values = explain([0, 2], classes=names(4))
    assert values.ids == {0: 0, 1: 1, 2: 2, 3: 3}
    assert values.labels.kind == "multiclass"


def test_a_number_of_names_that_fits_nothing_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"0 .*, 128 .*, 255 .* names 2: name_0, name_1"
    ):
        explain([0, 128, 255], classes=names(2))
    with pytest.raises(DataError, match="Name 3 classes"):
        explain([0, 128, 255], classes=names(4))


def test_too_many_ids_are_objects_or_grey_levels() -> None:
    with pytest.raises(DataError, match="instances"):
        explain(range(MOST_UNNAMED + 1))
    assert len(explain(range(40), classes=names(40)).labels.names) == 40


def test_blurred_edges_are_recognised() -> None:
    found = {value: FoundValue(3, 1, Path("soft.png")) for value in range(256)}
    found[0] = found[255] = FoundValue(100_000, 5, Path("soft.png"))
    with pytest.raises(DataError, match=r"Only 0, 255 are common.*JPEG") as caught:
        explain_values(found, DataConfig())
    assert "e.g. soft.png" in str(caught.value)


@pytest.mark.parametrize("values", [[0], [7]])
def test_masks_of_one_value_teach_nothing(values: list[int]) -> None:
    with pytest.raises(DataError, match="one value only"):
        explain(values)


def test_the_mask_kind_can_be_chosen_where_it_fits() -> None:
    assert explain([0, 1], mask_kind="multiclass").labels.kind == "multiclass"
    with pytest.raises(DataError, match="mask_kind is binary"):
        explain([0, 1, 2], mask_kind="binary")


@pytest.mark.parametrize(
    ("found", "ignored", "ids", "count"),
    [
        ([0, 1, 255], 255, {0: 0, 1: 1, 255: 255}, 2),
        ([0, 128, 255], 255, {0: 0, 128: 1, 255: 255}, 2),
        ([0, 1, 2], 2, {0: 0, 1: 1, 2: 2}, 2),
        ([0, 1, 2], 0, {0: 0, 1: 1, 2: 2}, 3),
        ([0, 1], 255, {0: 0, 1: 1, 255: 255}, 2),
    ],
)
def test_ignored_pixels_keep_their_value(
    found: list[int], ignored: int, ids: dict[int, int], count: int
) -> None:
    values = explain(found, ignore_index=ignored)
    assert values.ids == ids
    assert values.labels.ignore_index == ignored
    assert len(values.labels.names) == count


def test_an_ignored_value_that_is_an_id_is_refused() -> None:
    with pytest.raises(DataError, match=r"0 → 0, 255 → 1"):
        explain([0, 1, 255], ignore_index=1)


def test_planes_hold_zero_and_one_other_value() -> None:
    values = explain([0, 255], planes=("cup", "rim"))
    assert (values.ids, values.labels.kind) == ({0: 0, 255: 1}, "multilabel")
    with pytest.raises(DataError, match="the same in all"):
        explain([0, 1, 255], planes=("cup", "rim"))


@given(st.sets(st.integers(0, 300), min_size=2, max_size=5))
def test_stored_values_become_their_ids(found: set[int]) -> None:
    values = explain(found, classes=names(len(found)))
    stored = np.array(sorted(found), np.uint16)[np.newaxis]
    ids = values.to_ids(stored, source=Path("m.png"))
    assert ids.dtype == np.uint8
    assert ids[0].tolist() == [values.ids[value] for value in sorted(found)]


@pytest.mark.parametrize("odd", [1, 7, 300, -1])
def test_a_value_that_the_survey_did_not_see_is_refused(odd: int) -> None:
    values = explain([0, 255])
    with pytest.raises(DataError, match=r"m\.png .*allowed are \[0, 255\]"):
        values.to_ids(np.array([[0, odd]], np.int32), source=Path("m.png"))
