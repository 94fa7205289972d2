"""Charts show the values that they are given, and stay small."""

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from segx.pages import Estimate
from segx.pages.charts import MOST_DOTS, Curve, Strip, curves, dots, strips
from segx.pages.reliability import reliability, wilson


def places(svg: str) -> list[tuple[float, float]]:
    """Where marks stand; the ticks of an axis have another colour."""
    found = [
        (float(mark.attrib["x"]), float(mark.attrib["y"]))
        for mark in ET.fromstring(svg).iter("use")  # noqa: S314 — a chart of ours
        if "accent" in mark.attrib.get("style", "")
    ]
    return sorted(found)


@settings(max_examples=5)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_a_dot_stands_for_each_value_at_its_place(values: list[float]) -> None:
    svg = strips([Strip("cell", values)], axis="Dice", limits=(0, 1))
    drawn = [x for x, _ in places(svg)]
    ends = strips([Strip("cell", [0.0, 1.0])], axis="Dice", limits=(0, 1))
    (left, _), (right, _) = places(ends)
    wanted = [left + value * (right - left) for value in sorted(values)]
    assert drawn == pytest.approx(wanted, abs=0.01)


def test_what_is_not_finite_has_no_dot() -> None:
    values = [0.5, math.nan, math.inf, -math.inf]
    assert len(places(strips([Strip("cell", values)], axis="hd95"))) == 1
    assert not places(strips([Strip("cell", [math.nan])], axis="hd95"))
    assert not places(strips([Strip("cell", [])], axis="hd95", limits=(0, 1)))


def test_the_mean_and_its_interval_are_drawn_unless_undefined() -> None:
    for mean in (Estimate(0.5, 0.4, 0.6), Estimate(0.5)):
        assert len(places(strips([Strip("a", [0.1], mean)], axis="Dice"))) == 2
    undefined = Strip("a", [0.1], Estimate(math.nan))
    assert len(places(strips([undefined], axis="Dice"))) == 1


@pytest.mark.parametrize("groups", [1, 3, 104])
def test_the_number_of_dots_has_a_bound(groups: int) -> None:
    values = np.random.default_rng(0).uniform(0, 1, 5000).tolist()
    svg = strips([Strip(f"{i}", values) for i in range(groups)], axis="Dice")
    assert len(places(svg)) <= MOST_DOTS
    assert len(svg) < 600_000


def test_of_too_many_values_the_least_and_the_greatest_are_drawn() -> None:
    x = np.arange(1, 10_000)
    svg = dots([("size", x, x)], x_axis="px", y_axis="px", is_log=True)
    assert len(places(svg)) == MOST_DOTS
    few = dots([("size", [1, 9999], [1, 9999])], x_axis="px", y_axis="px", is_log=True)
    ends, drawn = places(few), places(svg)
    assert drawn[0][0] == pytest.approx(ends[0][0], abs=0.01)
    assert drawn[-1][0] == pytest.approx(ends[-1][0], abs=0.01)


@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_wilsons_interval_is_scipys(n: int, share: float) -> None:
    hits = round(share * n)
    low, high = wilson(np.array([hits / n]), np.array([float(n)]))
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    assert low[0] == pytest.approx(theirs.low, abs=1e-9)
    assert high[0] == pytest.approx(theirs.high, abs=1e-9)


def test_reliability_leaves_empty_bins_out() -> None:
    nan = math.nan
    svg = reliability(
        [0.1, nan, 0.9], [0.2, nan, 0.8], [5, 0, 7], unit="n", has_intervals=True
    )
    assert len(places(svg)) == 2
    empty = reliability([nan], [nan], [0], unit="n", has_intervals=True)
    assert not places(empty)


def test_colours_come_from_the_page() -> None:
    svg = curves([Curve("a", [0, 1], [0, 1])], x_axis="x", y_axis="y")
    used = set(re.findall(r"(?:stroke|fill): ([^;\"]+)", svg))
    assert used <= {
        "none",
        "var(--ink)",
        "var(--muted)",
        "var(--rule)",
        "var(--accent-0)",
    }
    assert "font-family" not in svg


def test_a_title_that_looks_like_a_colour_stays_text() -> None:
    svg = strips([Strip("#101010 url(x)", [0.5])], axis="Dice")
    assert "#101010 url(x)" in svg
