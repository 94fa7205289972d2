"""Reliability: whether what was predicted with a probability comes true as often."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from segx.pages.svg import (
    ACCENT,
    MUTED,
    WIDTH,
    axes_at,
    drawing,
    one_line,
    to_svg,
    unit_square,
)

__all__ = ["reliability", "wilson"]


def reliability(
    predicted: ArrayLike,
    observed: ArrayLike,
    counts: ArrayLike,
    *,
    unit: str,
    has_intervals: bool,
) -> str:
    """How often what was predicted with a probability came true, bin by bin.

    Args:
        predicted: Mean probability of each bin.
        observed: Share of the bin that is of the class.
        counts: Number of cases or pixels in the bin; empty bins are left out.
        unit: What is counted.
        has_intervals: Whether to draw 95 % Wilson intervals: not where what is counted
            goes together, as the pixels of a case do.

    Returns:
        Dots over the diagonal; the counts stand below.
    """
    n = np.asarray(counts, np.float64)
    is_filled = n > 0
    n = n[is_filled]
    x = np.asarray(predicted, np.float64)[is_filled]
    y = np.asarray(observed, np.float64)[is_filled]
    with drawing(WIDTH + 60) as figure:
        axes = axes_at(figure, bottom=98)
        if has_intervals:
            axes.vlines(x, *wilson(y, n), color=ACCENT, linewidth=1.2)
        axes.plot(
            x, y, "o", color=ACCENT, markersize=5, markeredgewidth=0, clip_on=False
        )
        unit_square(axes)
        axes.tick_params(labelbottom=False)
        axes.set_ylabel("observed share")
        below = axes_at(figure, top=WIDTH - 98 + 60 + 10)
        below.set_xlim(axes.get_xlim())
        if len(n):
            _counts(below, x, n)
        below.set_ylabel(one_line(unit))
        below.set_xlabel("predicted probability")
        return to_svg(figure, title="Reliability: observed share by probability")


def wilson(
    share: NDArray[np.float64], n: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % interval of a share of n trials.

    Args:
        share: In [0, 1], one a bin.
        n: Number of trials in each bin.

    References:
        Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    z = 1.959963984540054
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return centre - half, centre + half


def _counts(axes: Axes, x: NDArray[np.float64], n: NDArray[np.float64]) -> None:
    """Bars of the numbers `n`; on a logarithmic scale where they differ widely."""
    axes.bar(x, n, width=0.03, color=MUTED, alpha=0.55)
    ticks = [float(n.max())]
    if n.max() > 50 * n.min():
        axes.set_yscale("log")
        axes.set_ylim(bottom=n.min() / 3)
        axes.minorticks_off()
        ticks.append(float(n.min()))
    axes.set_yticks(ticks, [_compact(number) for number in ticks])


def _compact(number: float) -> str:
    """A large number in few letters.

    Examples:
        >>> _compact(52), _compact(1_160_000)
        ('52', '1.16M')
        >>> _compact(116_000), _compact(999_900)
        ('116k', '1M')
    """
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if number >= 0.9995 * 10**power:  # 3 digits of it round up
            return f"{number / 10**power:.3g}{letter}"
    return f"{number:.0f}"
