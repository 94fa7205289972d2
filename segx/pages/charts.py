"""Distributions, curves and dots."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from segx.pages.blocks import Estimate
from segx.pages.render import spaced
from segx.pages.svg import (
    ACCENT,
    ACCENTS,
    INK,
    WIDTH,
    axes_at,
    drawing,
    one_line,
    to_svg,
    unit_square,
)

__all__ = [
    "MOST_DOTS",
    "MOST_GROUPS",
    "Band",
    "Curve",
    "Strip",
    "curves",
    "dots",
    "strip_legend",
    "strips",
]

MOST_GROUPS = 4
"""Most groups of dots that colours and shapes tell apart."""

MOST_DOTS = 3000
"""Most dots in a chart; of more values, these many are drawn, evenly spread by rank."""

_STRIP = 46  # px a distribution
_HEIGHT = 250  # px of a chart that is no square
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))


@dataclass(frozen=True, slots=True)
class Strip:
    """Values of one group; those that are not finite are left out.

    Args:
        name: Stands above it.
        values: In any order.
        mean: Their mean with its interval, drawn as a diamond; None draws none.
    """

    name: str
    values: Sequence[float]
    mean: Estimate | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through places.

    Args:
        name: What the legend calls it.
        x: Places to the right.
        y: Places upwards.
        is_stepped: Whether it keeps each height until the next place.
        accent: Index of its colour in `ACCENTS`; None takes that of its number.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    is_stepped: bool = False
    accent: int | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """The area between two heights."""

    x: ArrayLike
    low: ArrayLike
    high: ArrayLike


def strip_legend(n: int, groups: int) -> str:
    """What the marks of `strips` mean, for its caption.

    Args:
        n: Number of cases.
        groups: Number of strips.
    """
    most = _most_dots(groups)
    part = "" if n <= most else f" ({most} are drawn, evenly spread by rank)"
    return (
        f"A dot is a case{part}; the box holds the middle half with the median, the "
        "line reaches 1.5 times as far."
    )


def strips(
    groups: Sequence[Strip],
    *,
    axis: str,
    limits: tuple[float, float] | None = None,
) -> str:
    """Distributions below each other: dots, quartiles, and the mean.

    Args:
        groups: From top to bottom.
        axis: What is measured, and its unit.
        limits: Ends of the axis; None takes them from the values.
    """
    most = _most_dots(len(groups))
    with drawing(_STRIP * len(groups) + 40) as figure:
        axes = axes_at(figure, left=10, top=2)
        for row, group in enumerate(groups):
            _strip(axes, -row, group, most)
            axes.text(
                0,
                0.45 - row,
                one_line(group.name),
                transform=axes.get_yaxis_transform(),
                va="center",
            )
        axes.set_ylim(0.65 - len(groups), 0.65)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        if limits is not None:
            span = limits[1] - limits[0]
            axes.set_xlim(limits[0] - 0.015 * span, limits[1] + 0.015 * span)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.set_xlabel(one_line(axis))
        return to_svg(figure, title=f"Distribution of {one_line(axis)}")


def curves(
    lines: Sequence[Curve],
    *,
    x_axis: str,
    y_axis: str,
    band: Band | None = None,
    is_unit_square: bool = False,
) -> str:
    """Lines that differ by colour and by dashes.

    Args:
        lines: One or more.
        x_axis: What is measured to the right, and its unit.
        y_axis: What is measured upwards, and its unit.
        band: Lies behind the lines.
        is_unit_square: Whether both axes are shares; the diagonal is drawn then.
    """
    with drawing(WIDTH if is_unit_square else _HEIGHT) as figure:
        legend = 20 * len(lines) if len(lines) > 1 else 0
        axes = axes_at(figure, top=8 + legend)
        if is_unit_square:
            unit_square(axes)
        if band is not None:
            axes.fill_between(
                band.x, band.low, band.high, color=ACCENT, alpha=0.16, linewidth=0
            )
        for index, line in enumerate(lines):
            accent = index if line.accent is None else line.accent
            axes.plot(
                line.x,
                line.y,
                color=ACCENTS[accent % len(ACCENTS)],
                linestyle=_DASHES[index % len(_DASHES)],
                drawstyle="steps-post" if line.is_stepped else "default",
            )
        if legend:
            _legend(axes, [line.name for line in lines])
        return _finished(figure, axes, x_axis, y_axis)


def dots(
    groups: Sequence[tuple[str, ArrayLike, ArrayLike]],
    *,
    x_axis: str,
    y_axis: str,
    is_log: bool = False,
    y_limits: tuple[float, float] | None = None,
) -> str:
    """Dots of one or more groups, each with its own colour and shape.

    Args:
        groups: Name, places to the right, places upwards.
        x_axis: What is measured to the right, and its unit.
        y_axis: What is measured upwards, and its unit.
        is_log: Whether the axis to the right is logarithmic where values differ
            widely; its name says so then.
        y_limits: Ends of the other one; None takes them from the values.
    """
    most = _most_dots(len(groups))
    legend = 20 * len(groups) if len(groups) > 1 else 0
    with drawing(_HEIGHT + legend) as figure:
        axes = axes_at(figure, top=8 + legend)
        for index, (_, x, y) in enumerate(groups):
            right, up = np.asarray(x, np.float64), np.asarray(y, np.float64)
            taken = _spread(np.argsort(right, kind="stable"), most)
            axes.plot(
                right[taken],
                up[taken],
                "osD^"[index % 4],
                color=ACCENTS[index % len(ACCENTS)],
                markersize=4,
                markeredgewidth=0,
                alpha=0.6,
                clip_on=False,
            )
        low, high = axes.dataLim.intervalx
        if is_log and high > 10 * low > 0:
            x_axis = f"{x_axis}, logarithmic"
            _log_scale(axes, subs=(1, 2, 5) if high < 100 * low else (1,))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
        if y_limits is not None:
            axes.set_ylim(*y_limits)
        if legend:
            _legend(axes, [name for name, _, _ in groups])
        axes.grid()
        axes.set_axisbelow(True)
        return _finished(figure, axes, x_axis, y_axis)


def _strip(axes: Axes, row: int, group: Strip, most: int) -> None:
    """One distribution, around y = `row`."""
    values = np.sort([value for value in group.values if math.isfinite(value)])
    if len(values):
        shown = _spread(values, most)
        # Multiples of the golden ratio spread over the height without a pattern.
        spread = (np.arange(len(shown)) * 0.618034) % 1 - 0.5
        axes.plot(
            shown,
            row + 0.3 * spread,
            "o",
            color=ACCENT,
            markersize=3.6,
            markeredgewidth=0,
            alpha=0.45,
            clip_on=False,
        )
        first, median, third = np.percentile(values, (25, 50, 75))
        reach = 1.5 * (third - first)
        inside = values[(values >= first - reach) & (values <= third + reach)]
        axes.hlines(row, inside[0], first, color=INK, linewidth=0.9)
        axes.hlines(row, third, inside[-1], color=INK, linewidth=0.9)
        axes.barh(row, third - first, left=first, height=0.4, fill=False, edgecolor=INK)
        axes.vlines(median, row - 0.2, row + 0.2, color=INK, linewidth=2.2)
    if group.mean is not None and math.isfinite(group.mean.value):
        y = row - 0.3
        if math.isfinite(group.mean.low):
            axes.hlines(y, group.mean.low, group.mean.high, color=ACCENTS[1])
        axes.plot(group.mean.value, y, "D", color=ACCENTS[1], markersize=4.5)


def _log_scale(axes: Axes, *, subs: Sequence[int]) -> None:
    """Make the axis to the right logarithmic, with ticks at `subs` times 10, 100, …."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=subs))
    axes.xaxis.set_major_formatter(lambda value, _: spaced(f"{value:,.10g}"))
    axes.minorticks_off()


def _most_dots(groups: int) -> int:
    """Most dots of each of so many groups."""
    return max(20, MOST_DOTS // max(1, groups))


def _spread(ordered: NDArray[Any], most: int) -> NDArray[Any]:
    """All of a sorted row, or `most` of it, evenly spread, both ends among them."""
    if len(ordered) <= most:
        return ordered
    places = np.linspace(0, len(ordered) - 1, most).round().astype(np.intp)
    return np.take(ordered, places)


def _legend(axes: Axes, names: Sequence[str]) -> None:
    """The names of the lines that were drawn last, one below the other."""
    lines = axes.get_lines()[-len(names) :]
    # Of labels that begin with "_" matplotlib thinks that they are its own.
    labels = [f"\u200a{one_line(name)}" for name in names]
    axes.legend(
        lines,
        labels,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        borderaxespad=0,
        labelspacing=0.3,
    )


def _finished(figure: Figure, axes: Axes, x_axis: str, y_axis: str) -> str:
    """Name the axes, and make the figure what a page holds."""
    axes.set_xlabel(one_line(x_axis))
    axes.set_ylabel(one_line(y_axis))
    return to_svg(figure, title=f"{one_line(y_axis)} by {one_line(x_axis)}")
