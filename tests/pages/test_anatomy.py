"""The page of an encoder is one offline file that shows what was found."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from segx.models.anatomy import Anatomy, Claim, claims_of, dissect
from segx.models.encoder import XceptionEncoder
from segx.pages import render, write_page
from segx.pages.anatomy import anatomy_page
from segx.pages.anatomy_flow import flow_drawing
from segx.pages.bars import bar_pairs
from tests.pages.browser import look_at
from tests.pages.offline import addresses, parse


@pytest.fixture(scope="module")
def legacy() -> Anatomy:
    return dissect(XceptionEncoder("legacy_xception", 3))


def words(svg: str) -> list[str]:
    """Texts of a drawing, from top to bottom as they were drawn."""
    root = ET.fromstring(svg)  # noqa: S314 — a drawing of ours
    return ["".join(item.itertext()) for item in root.iter("text")]


def test_the_page_is_one_offline_file_with_all_numbers(legacy: Anatomy) -> None:
    html = render(anatomy_page(legacy, claims_of(legacy)))
    assert addresses(html) == []
    assert not re.findall(r"https?:|www\.", html)
    shown = " ".join(parse(html).shown)
    for text in ("20\u202f806\u202f952", "8.469", "8.2 ×", "18 of 18", "147x147"):
        assert text in shown
    assert "Error." not in shown
    for layer in legacy.layers:
        assert layer.name in shown


def test_a_claim_that_fails_is_said_at_the_top(legacy: Anatomy) -> None:
    claims = [Claim("14 modules", "14", "13", "section 3"), Claim("a law", "x", "x")]
    shown = " ".join(parse(render(anatomy_page(legacy, claims))).shown)
    assert "14 modules: 13 found, 14 expected." in shown
    assert "1 of 2" in shown


def test_a_flow_is_drawn_in_order_and_repeated_blocks_once(legacy: Anatomy) -> None:
    middle = words(flow_drawing(legacy.flows["middle"], given="here", title="t"))
    layer = ["ReLU", "separable 3×3, 728"]
    assert middle == ["here", "×8", *layer * 3, "identity", "19×19×728"]
    entry = words(flow_drawing(legacy.flows["entry"], given="here", title="t"))
    assert entry[1:6] == [
        "convolution 3×3 ↓2, 32", "ReLU", "convolution 3×3, 64", "ReLU", "150×150×64",
    ]  # fmt: skip
    assert entry.count("1×1 ↓2") == entry.count("max pool 3×3 ↓2") == 3


def test_bars_are_as_long_as_their_values() -> None:
    svg = bar_pairs([("a", 1.0, 4.0), ("b", 2.0, 2.0)], axis="n", title="t")
    assert words(svg).count("2.00") == 2
    widths = []
    for patch in ET.fromstring(svg).iter("path"):  # noqa: S314 — a drawing of ours
        style = patch.attrib.get("style", "")
        if "accent-0" in style or "stroke: var(--muted); stroke-linejoin" in style:
            ends = [float(x) for x in re.findall(r"[ML] ([\d.]+)", patch.attrib["d"])]
            widths.append(max(ends) - min(ends))
    own = [w for w in widths if w][:1]
    assert own
    assert any(width == pytest.approx(4 * own[0], rel=1e-3) for width in widths)


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", ["legacy_xception", "xception71"])
def test_the_page_fits_its_window(tmp_path: Path, name: str, width: int) -> None:
    anatomy = dissect(XceptionEncoder(name, 3))
    page = tmp_path / "page.html"
    write_page(page, anatomy_page(anatomy, claims_of(anatomy)))
    seen = look_at(page, tmp_path, width=width)
    assert seen.console == []
    assert seen.width <= width
    assert seen.sorted_tables == 1
