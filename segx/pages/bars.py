"""Pairs of bars: what something costs beside what it would cost otherwise."""

from collections.abc import Sequence

from segx.pages.svg import ACCENT, MUTED, WIDTH, axes_at, drawing, one_line, to_svg

__all__ = ["bar_pairs"]

_PITCH = 30  # px a pair
_LEFT = 62


def bar_pairs(
    pairs: Sequence[tuple[str, float, float]], *, axis: str, title: str
) -> str:
    """Two bars for each name: full its own value, empty the other one.

    Args:
        pairs: Name, own value, other value, from top to bottom.
        axis: What is measured, and its unit.
        title: What a screen reader says of it.
    """
    with drawing(_PITCH * len(pairs) + 44) as figure:
        axes = axes_at(figure, left=_LEFT, right=48, top=4)
        most = max(max(own, other) for _, own, other in pairs)
        for row, (_, own, other) in enumerate(pairs):
            axes.barh(row - 0.18, own, height=0.32, color=ACCENT)
            axes.barh(row + 0.2, other, height=0.32, fill=False, edgecolor=MUTED)
            for y, value in ((row - 0.18, own), (row + 0.2, other)):
                axes.text(value + 0.012 * most, y, f"{value:.2f}", va="center", size=9)
        axes.set_yticks(range(len(pairs)), [one_line(name) for name, _, _ in pairs])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(pairs) - 0.5, -0.5)
        axes.set_xlim(0, most * WIDTH / (WIDTH - 40))
        axes.set_xlabel(one_line(axis))
        return to_svg(figure, title=title)
