"""A matplotlib figure as inline SVG that takes its colours and type from the page."""

import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segx.pages.render import printable

__all__ = [
    "ACCENT",
    "ACCENTS",
    "INK",
    "MUTED",
    "RULE",
    "WIDTH",
    "axes_at",
    "drawing",
    "one_line",
    "to_svg",
    "unit_square",
]

WIDTH = 360
"""Width of every chart, in its own pixels: that of a telephone, where 1 is 1."""

# Colours that stand for the page's own: what is drawn in one of them follows the
# reader's light or dark theme.
INK = "#101010"
MUTED = "#707070"
RULE = "#d0d0d0"
ACCENTS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Of Okabe and Ito's palette, those that can be read as lines on paper."""
ACCENT = ACCENTS[0]

_LONGEST_NAME = 40

_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    **{colour: f"var(--accent-{index})" for index, colour in enumerate(ACCENTS)},
}

_STYLE: dict[Any, Any] = {  # newer versions of matplotlib list the keys as a type
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",  # comes with matplotlib: measured alike everywhere
    "font.size": 10.5,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "savefig.facecolor": "none",
    "svg.fonttype": "none",  # text stays text, in the page's type
    "svg.hashsalt": "segx",  # the same figure gives the same bytes
    "text.color": INK,
    "text.parse_math": False,  # a name with a $ is a name
    "xtick.color": MUTED,
    "xtick.labelsize": 10.5,
    "xtick.major.size": 3,
    "ytick.color": MUTED,
    "ytick.labelsize": 10.5,
    "ytick.major.size": 3,
}


@contextmanager
def drawing(height: int) -> Iterator[Figure]:
    """Give an empty figure of `height` px; what is drawn in the block looks alike."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(WIDTH / 72, height / 72), dpi=72)


def axes_at(
    figure: Figure, *, left: int = 44, right: int = 10, top: int = 8, bottom: int = 38
) -> Axes:
    """Axes whose distances to the figure's borders are given in pixels."""
    width, height = figure.get_size_inches() * 72
    inner = (width - left - right) / width, (height - top - bottom) / height
    return figure.add_axes((left / width, bottom / height, *inner))


def unit_square(axes: Axes) -> None:
    """Axes from 0 to 1 with their diagonal."""
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def one_line(text: str) -> str:
    """A name on one line that fits a chart."""
    line = " ".join(printable(text).split()) or "–"
    return line if len(line) <= _LONGEST_NAME else f"{line[: _LONGEST_NAME - 1]}…"


def to_svg(figure: Figure, *, title: str) -> str:
    """The figure as SVG to stand in an HTML page.

    Args:
        figure: Made by `drawing`, still inside its block.
        title: What a screen reader says of it.
    """
    text = io.StringIO()
    with warnings.catch_warnings():
        # The browser has the glyphs that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    root = ET.fromstring(drawn)  # noqa: S314 — matplotlib wrote it
    _tidy(root, prefix=hashlib.sha256(drawn.encode()).hexdigest()[:8])
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": title,
        "class": "chart",
    }
    return ET.tostring(root, encoding="unicode")


def _tidy(root: ET.Element, *, prefix: str) -> None:
    """Take out what a page has no use for, and give names that no other chart has."""
    for name in ("metadata", "defs"):  # foreign addresses; a style for the whole page
        for child in root.findall(f"{{*}}{name}"):
            if child.find("{*}style") is not None or name == "metadata":
                root.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        kept = {}
        for key, value in element.attrib.items():
            name = key.rpartition("}")[2]
            if name == "id" and element.tag not in {"path", "clipPath"}:
                continue
            kept[name] = _value(name, value, prefix)
        element.attrib = kept
        if element.tail is not None and not element.tail.strip():
            element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None


def _value(name: str, value: str, prefix: str) -> str:
    """An attribute with the page's colours and type, and with names of this chart."""
    if name == "id":
        return f"c{prefix}-{value}"
    if name in {"href", "clip-path"}:
        return value.replace("#", f"#c{prefix}-")
    if name == "d":
        return " ".join(value.split())
    if name != "style":
        return value
    value = re.sub(r"font-family: [^;]*;? ?", "", value)
    return re.sub(
        r"#[0-9a-f]{6}", lambda found: _VARIABLES.get(found[0], found[0]), value
    )
