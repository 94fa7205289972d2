"""From a page's values to one HTML file that needs nothing else, and no network."""

import base64
import hashlib
import math
import re
from collections import Counter
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from segx.atomic import replacing
from segx.pages.blocks import Cell, Estimate, Page, Share

__all__ = ["printable", "render", "spaced", "write_page"]

_TEMPLATES = Path(__file__).parent / "templates"

# What neither HTML nor SVG may hold; the halves of a pair that Python gives undecodable
# bytes of file names; and what turns the direction of the text that follows.
_UNPRINTABLE = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]"
)

_NO_NUMBER = "–"
_THIN_SPACE = "\u202f"


def write_page(path: Path, page: Page) -> None:
    """Write a page, whole or not at all; the same values give the same bytes."""
    text = render(page)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def render(page: Page) -> str:
    """The page as HTML: styles, charts and pictures are inside.

    Whatever stands in a value is shown as text: templates escape it, and the page
    itself forbids any script but its own and every address but its own pictures.
    """
    style, script = _read("style.css"), _read("table.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=page,
            anchors=_anchors([section.heading for section in page.sections]),
            style=style,
            script=script,
            script_digest=digest,
        )
    )


def printable(text: str) -> str:
    r"""Text with a replacement mark for each character that no page may hold.

    Examples:
        >>> printable("a\x00b") == "a\ufffdb"
        True
    """
    return _UNPRINTABLE.sub("\ufffd", text)


def spaced(number: str) -> str:
    """A number whose thousands are set apart by thin spaces instead of commas."""
    return number.replace(",", _THIN_SPACE)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {"shown": _shown, "sorted_by": _sort_key}
    environment.tests |= {
        "estimate": lambda cell: isinstance(cell, Estimate),
        "share": lambda cell: isinstance(cell, Share),
    }
    return environment


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _finalize(value: object) -> object:
    """Clean what a template puts out; what it calls safe is ours, and stays so."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value)
    return value


def _shown(cell: Cell, digits: int = 3) -> str:
    """A cell in words."""
    if isinstance(cell, Share):
        return _percent(cell.value)
    value = cell.value if isinstance(cell, Estimate) else cell
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return spaced(f"{value:,}").replace("-", "−")
    if value is None or math.isnan(value):
        return _NO_NUMBER
    text = "∞" if math.isinf(value) else spaced(f"{abs(value):,.{digits}f}")
    is_zero = not text.strip("0.")
    return f"−{text}" if value < 0 and not is_zero else text


def _percent(value: float) -> str:
    """A share in per cent; what is rare keeps two digits that say something."""
    if math.isnan(value):
        return _NO_NUMBER
    percent = 100 * value
    if 0 < percent < 1e-4:
        return "<0.0001 %"
    return f"{percent:.1f} %" if percent >= 1 or not value else f"{percent:.2g} %"


def _sort_key(cell: Cell) -> str:
    """What a column is sorted by: the number itself, or nothing where there is none."""
    value = cell.value if isinstance(cell, Estimate | Share) else cell
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"  # as JavaScript reads it
    return value if isinstance(value, str) else repr(value)


def _anchors(headings: list[str]) -> list[str]:
    """A name for each heading to be linked by, each once.

    Examples:
        >>> _anchors(["Per class", "Per class", "→"])
        ['per-class', 'per-class-2', 'section']
    """
    seen: Counter[str] = Counter()
    anchors = []
    for heading in headings:
        slug = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
        seen[slug] += 1
        anchors.append(slug if seen[slug] == 1 else f"{slug}-{seen[slug]}")
    return anchors
