from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segx.data.alike import Signature
from segx.data.balance import (
    FEW,
    ClassShares,
    case_shares,
    find_imbalance,
    find_odd_masks,
    label_shares,
    shares,
)
from segx.data.case import Case, Layout
from segx.data.defects import Code, Findings
from segx.data.examine import CaseFacts
from segx.data.mask_values import MaskValues
from segx.geometry import Extent
from segx.labels import UNKNOWN, Labels

BINARY = MaskValues(Labels("binary", ("ground", "cell")), {0: 0, 255: 1})
NOTHING: Signature | None = None


def facts(name: str, *values: dict[int, int], label: int | None = None) -> CaseFacts:
    masks = tuple(Path(f"{name}_{number}.png") for number in range(len(values)))
    return CaseFacts(
        case=Case(name, Path(f"{name}.png"), masks, label=label),
        extent=Extent(10, 10),
        planes=1,
        space=None,
        spacing_mm=None,
        stored_channels=1,
        channels=1,
        dtype=np.dtype(np.uint8),
        values=values,
        sample=np.zeros((1, 1), np.uint8),
        signature=NOTHING,
    )


def layout(items: list[CaseFacts], names: tuple[str, ...] | None = None) -> Layout:
    cases = tuple(item.case for item in items)
    return Layout(Path("set"), cases, kind="folders", class_names=names)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=9))
def test_shares_of_all_cases_are_those_of_all_their_pixels(cells: list[int]) -> None:
    items = [facts(f"{n}", {0: 100 - n, 255: n}) for n in cells]
    found = shares(items, layout(items), BINARY)
    assert found["cell"] == pytest.approx(np.mean(cells) / 100)
    assert sum(found.values()) == pytest.approx(1)


def test_ignored_pixels_and_strange_values_do_not_count() -> None:
    values = MaskValues(Labels("binary", ("ground", "cell"), 9), {0: 0, 255: 1, 9: 9})
    item = facts("a", {0: 30, 255: 10, 9: 40, 77: 20})
    assert shares([item], layout([item]), values) == {"ground": 0.75, "cell": 0.25}
    assert case_shares([item], values) == {}


def test_planes_of_a_multilabel_mask_are_shares_of_the_same_image() -> None:
    values = MaskValues(Labels("multilabel", ("cup", "rim")), {0: 0, 1: 1})
    item = facts("a", {0: 90, 1: 10}, {1: 100})
    assert shares([item], layout([item]), values) == {"cup": 0.1, "rim": 1.0}


def test_shares_of_images_are_those_among_the_known() -> None:
    named = [facts(f"{k}", label=k % 2) for k in range(4)]
    bare = facts("bare")
    items = [*named, bare]
    found = label_shares(items, layout(items, ("sick", "well")))
    assert found == {"sick": 0.5, "well": 0.5}
    rows = [(1, 0), (1, UNKNOWN), (0, 1), (0, UNKNOWN)]
    tagged = [
        replace(item, case=replace(item.case, label=None, tags=row))
        for item, row in zip(named, rows, strict=True)
    ]
    several = replace(layout([*tagged, bare], ("x", "y")), class_kind="multilabel")
    assert label_shares([*tagged, bare], several) == {"x": 0.5, "y": 0.5}


def imbalance(train: ClassShares, *, of_pixels: bool) -> list[Code]:
    found = Findings()
    find_imbalance({"train": train}, layout([]), of_pixels=of_pixels, found=found)
    return [item.code for item in found.findings]


def test_a_class_is_hardly_there_below_a_thousandth_of_the_pixels() -> None:
    assert imbalance({"ground": 0.9985, "cell": 0.0015}, of_pixels=True) == []
    assert imbalance({"ground": 0.9995, "cell": 0.0005}, of_pixels=True) == [
        Code.IMBALANCE
    ]
    assert imbalance({"ground": 1, "cell": 0}, of_pixels=True) == [Code.ABSENT_CLASS]


def test_a_class_is_hardly_there_below_a_twentieth_of_the_largest() -> None:
    assert imbalance({"sick": 0.06, "well": 0.94}, of_pixels=False) == []
    assert imbalance({"sick": 0.04, "well": 0.96}, of_pixels=False) == [Code.IMBALANCE]


@given(st.integers(1, 200), st.data())
def test_empty_and_full_masks_are_told_of_only_where_they_are_rare(
    count: int, data: st.DataObject
) -> None:
    empty = data.draw(st.integers(0, count))
    items = [
        facts(f"{n}", {0: 100} if n < empty else {0: 50, 255: 50}) for n in range(count)
    ]
    found = Findings()
    find_odd_masks(case_shares(items, BINARY), layout(items), BINARY, found)
    told = [item.file.name for item in found.findings if item.code is Code.EMPTY_MASK]
    rare = empty <= max(1, FEW * count)
    assert told == ([f"{n}_0.png" for n in range(empty)] if rare else [])
