"""A page is one file that asks for nothing, and text in it stays text."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segx.pages import render, write_page
from tests.pages.example import every_block
from tests.pages.offline import addresses, parse

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</style><link rel=stylesheet href=//evil.test/a.css>",
    "</title><base href=http://evil.test/>",
    "]]><!--",
    "{{ 7 * 7 }}{% include 'page.html' %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp;",
    r"$\frac{1}{2}$ C:\x",
    "a\0b\x1b[31m\udcff\u202egnp.exe",
    "名前 🔬 é",
    "line\nbreak\r\n\ttab",
    "_hidden",
    " ",
)

PLAIN = parse(render(every_block()))


def test_a_page_holds_no_address_but_its_own() -> None:
    html = render(every_block())
    assert addresses(html) == []
    # Not even a word of one: what matplotlib writes of namespaces is taken out.
    without_pictures = re.sub(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "", html)
    without_comments = re.sub(r"// .*", "", without_pictures)
    assert not re.findall(r"https?:|www\.|//", without_comments)


@pytest.mark.parametrize(
    "loads",
    [
        '<img src="x.png">',
        '<link rel="stylesheet" href="x.css">',
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
        '<p style="background: url(x.png)">',
        "<style>@import 'x.css';</style>",
        '<a href="https://a.test">',
        '<a href="//a.test">',
        '<a href="javascript:x()">',
        "<script>fetch('x')</script>",
        '<p onclick="x()">',
    ],
)
def test_the_test_finds_what_a_page_must_not_hold(loads: str) -> None:
    assert addresses(loads)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    html = render(every_block(name))
    hostile = parse(html)
    assert hostile.shape == PLAIN.shape
    assert hostile.scripts == PLAIN.scripts
    assert hostile.styles == PLAIN.styles
    assert addresses(html) == []


@settings(max_examples=5, phases=[Phase.generate])  # each draws five charts
@given(st.text(min_size=1, max_size=30))
def test_any_name_stays_text_and_can_be_written(name: str) -> None:
    html = render(every_block(name))
    assert parse(html).shape == PLAIN.shape
    html.encode("utf-8")


def test_the_page_allows_its_own_script_and_no_other() -> None:
    html = render(every_block())
    (script,) = parse(html).scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_names_within_a_page_are_unique_and_every_reference_is_met() -> None:
    parsed = parse(render(every_block()))
    attributes = [item for _, attrs in parsed.tags for item in attrs]
    ids = [value for name, value in attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {v[1:] for name, v in attributes if name == "href" and v.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]*)\)", json.dumps(attributes)))
    assert wanted <= set(ids)


def test_the_same_values_give_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "a.html", tmp_path / "b.html"]
    for path in paths:
        write_page(path, every_block("名前"))
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert not re.search(rb"20\d\d-\d\d-\d\d", first), "a date"


def test_numbers_are_shown_as_people_read_them() -> None:
    shown = "".join(parse(render(every_block())).shown)
    for text in ("1\u202f234", "0.500", "0.400–0.600", "25.0 %", "∞", "−1", "–"):
        assert text in shown
    assert "nan" not in shown
    assert "inf" not in shown.replace("info", "")
