"""A flow of an encoder as a drawing: what is done from top to bottom, skips beside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import FancyBboxPatch

from segx.models.anatomy import Block, Layer, folded
from segx.pages.svg import ACCENTS, MUTED, WIDTH, drawing, to_svg

__all__ = ["flow_drawing"]

# Of a drawing, in px: the way down on the left, the way around on the right.
_MAIN, _MAIN_WIDTH, _PILL_WIDTH = 128.0, 200, 64
_SKIP, _SKIP_WIDTH = 296.0, 76
_BOX, _PILL, _GAP, _LABEL, _JOIN = 24, 17, 8, 24, 26
_RING = 7

_COLOURS = {"conv": 1, "sep": 0, "relu": 2, "pool": 3, "other": 3}


@dataclass(frozen=True, slots=True)
class _Box:
    """Something that is done, and where it starts and ends on the way down."""

    kind: str
    text: str
    top: float
    bottom: float


def flow_drawing(blocks: Sequence[Block], *, given: str, title: str) -> str:
    """Draw some blocks, those that are alike once.

    Normalisation follows every convolution in most encoders and is not drawn.

    Args:
        blocks: In order, one or more.
        given: What enters the first, such as ``299×299×3``.
        title: What a screen reader says of it.
    """
    runs = folded(blocks)
    height = sum(map(_height, runs)) + _LABEL + 4
    with drawing(height) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(height, 0)
        _label(axes, given, 12)
        y = float(_LABEL)
        for run in runs:
            _draw(axes, run, y)
            y += _height(run)
        return to_svg(figure, title=title)


def _height(run: tuple[Block, ...]) -> int:
    *_, last = _boxes(run[0], _GAP)
    join = _JOIN if run[0].skip else 0
    frame = 2 * _GAP if len(run) > 1 else 0
    return round(last.bottom) + _GAP + join + frame + _LABEL


def _draw(axes: Axes, run: tuple[Block, ...], top: float) -> None:
    """A block, from the line that enters it to the size of what it gives."""
    block = run[0]
    bottom = top + _height(run) - _LABEL
    if len(run) > 1:
        _frame(axes, top, bottom, f"×{len(run)}")
        top, bottom = top + _GAP, bottom - _GAP
    boxes = list(_boxes(block, top + _GAP))
    end = bottom - _JOIN / 2 if block.skip else bottom
    edges = [top, *(y for box in boxes for y in (box.top, box.bottom)), end]
    if block.skip:
        edges[-1] -= _RING
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        _line(axes, [_MAIN, _MAIN], [start, stop])
    for box in boxes:
        width = _MAIN_WIDTH if box.kind != "relu" else _PILL_WIDTH
        _box(axes, _MAIN, box, width)
    if block.skip:
        fork = _fork(block, boxes, top)
        _way_around(axes, str(block.skip), fork, end)
        _line(axes, [_MAIN, _MAIN], [end + _RING, bottom])
    rows, cols = block.extent.rows, block.extent.cols
    below = bottom + (_GAP if len(run) > 1 else 0)
    _label(axes, f"{rows}×{cols}×{block.channels[-1]}", below + _LABEL / 2)


def _boxes(block: Block, top: float) -> Iterator[_Box]:
    """What a block does, the first thing at height `top`."""
    layers = iter(block.layers)
    for kind in block.order:
        if kind == "norm":
            continue
        words = {"relu": "ReLU", "pool": f"max pool {block.pool}"}.get(kind, kind)
        if kind in {"conv", "sep"}:
            words = _in_words(next(layers))
        bottom = top + (_PILL if kind == "relu" else _BOX)
        yield _Box(kind, words, top, bottom)
        top = bottom + _GAP


def _fork(block: Block, boxes: Sequence[_Box], top: float) -> float:
    """Where the skip leaves: a pre-activated block does something first."""
    before = sum(kind != "norm" for kind in block.order[: block.fork])
    return (boxes[before - 1].bottom if before else top) + _GAP / 2


def _in_words(layer: Layer) -> str:
    item = layer.spatial
    kind = "separable" if layer.is_separable else "convolution"
    reduced = f" ↓{item.stride}" if item.stride > 1 else ""
    dilated = f" dil {item.dilation}" if item.dilation > 1 else ""
    return f"{kind} {item.kernel}×{item.kernel}{dilated}{reduced}, {layer.out_channels}"


def _way_around(axes: Axes, text: str, fork: float, join: float) -> None:
    """From the fork to the right, down, and back to the sum."""
    _line(axes, [_MAIN, _SKIP], [fork, fork])
    _line(axes, [_SKIP, _MAIN + _RING], [join, join])
    middle = (fork + join) / 2
    if text == "identity":
        _line(axes, [_SKIP, _SKIP], [fork, join])
        axes.text(_SKIP + 6, middle, text, va="center", size=9.5, color=MUTED)
    else:
        box = _Box("conv", text, middle - _BOX / 2, middle + _BOX / 2)
        _line(axes, [_SKIP, _SKIP], [fork, box.top])
        _line(axes, [_SKIP, _SKIP], [box.bottom, join])
        _box(axes, _SKIP, box, _SKIP_WIDTH)
    axes.plot(_MAIN, join, "o", markersize=2 * _RING, mfc="none", mec=MUTED, mew=1)
    axes.plot(_MAIN, join, "+", markersize=8, color=MUTED, mew=1)


def _line(axes: Axes, x: list[float], y: list[float]) -> None:
    axes.plot(x, y, color=MUTED, linewidth=1)


def _box(axes: Axes, x: float, box: _Box, width: float) -> None:
    """A box with its middle at `x`."""
    colour = ACCENTS[_COLOURS[box.kind]]
    height = box.bottom - box.top
    patch = FancyBboxPatch(
        (x - width / 2, box.top),
        width,
        height,
        boxstyle=f"round,pad=0,rounding_size={min(5, height / 2)}",
        facecolor=to_rgba(colour, 0.14),
        edgecolor=colour,
        linewidth=1,
    )
    axes.add_patch(patch)
    middle = (box.top + box.bottom) / 2
    axes.text(x, middle, box.text, ha="center", va="center", size=10)


def _frame(axes: Axes, top: float, bottom: float, text: str) -> None:
    """Around a block that is repeated."""
    patch = FancyBboxPatch(
        (8, top),
        WIDTH - 16,
        bottom - top,
        boxstyle="round,pad=0,rounding_size=8",
        facecolor="none",
        edgecolor=MUTED,
        linestyle=(0, (4, 3)),
        linewidth=1,
    )
    axes.add_patch(patch)
    axes.text(
        WIDTH - 18, top + 16, text, ha="right", va="center", size=14, weight="bold"
    )


def _label(axes: Axes, text: str, y: float) -> None:
    axes.text(_MAIN, y, text, ha="center", va="center", size=10, color=MUTED)
