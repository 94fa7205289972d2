"""Take an encoder apart: hooks on its real modules, sizes, costs, proved skips."""

import copy
import re

from torch import nn

from segx.errors import ModelError
from segx.models.anatomy.blocks import Anatomy, Block, Layer, Skip
from segx.models.anatomy.dataflow import Span, Step, trace_spans
from segx.models.anatomy.observe import Observed, observe
from segx.models.anatomy.proof import proved_skips
from segx.models.anatomy.separable import Separable, separables
from segx.models.anatomy.twin import standard_twin
from segx.models.cost import count_parameters
from segx.models.encoder import XceptionEncoder

__all__ = ["dissect"]


def dissect(encoder: XceptionEncoder, size: int = 299) -> Anatomy:
    """Take an encoder apart.

    Its forward pass is followed, its modules are hooked while a copy without data runs,
    and torch counts what each convolution multiplies; so it is for its standard twin.
    A second pass, with data and all branches at zero, shows which skips hold.

    Args:
        encoder: Stays as it was.
        size: Side of the image in pixels, 1 or more.

    Raises:
        ModelError: If the size is less than 1, or the features meet in a way that no
            Xception knows.
    """
    if size < 1:
        raise ModelError(f"An image of {size} px given; a side has 1 px or more.")
    shadow = copy.deepcopy(encoder).to("meta").eval()
    spans = trace_spans(shadow)
    twin = standard_twin(shadow)
    own, standard = observe(shadow, size), observe(twin, size)
    proved = proved_skips(encoder, spans)
    blocks = [
        _block(
            span,
            _layers(span, separables(encoder, span), own, standard),
            own,
            standard,
            number=number,
            is_proved=is_proved,
        )
        for number, (span, is_proved) in enumerate(zip(spans, proved, strict=True), 1)
    ]
    return Anatomy(
        encoder=encoder.name,
        in_channels=encoder.in_channels,
        output_stride=encoder.info.output_stride,
        size=size,
        blocks=tuple(blocks),
        features=own.features,
        parameters=count_parameters(encoder),
        standard_parameters=count_parameters(twin),
    )


def _block(
    span: Span,
    layers: tuple[Layer, ...],
    own: Observed,
    standard: Observed,
    *,
    number: int,
    is_proved: bool,
) -> Block:
    steps = span.lead + span.branch
    skip = None
    if span.skip is not None:
        names = [step.name for step in span.skip if step.kind == "convolution"]
        skip = Skip(tuple(map(own.convolution, names)), is_proved)
    modules = {step.name for step in span.steps if step.name}
    return Block(
        number=number,
        name=_place([layer.spatial.name for layer in layers]),
        order=_order(steps, layers),
        fork=len(span.lead),
        layers=layers,
        pool=_pool(steps, own),
        skip=skip,
        extent=own.extents[next(s.name for s in reversed(steps) if s.name)],
        parameters=own.parameters(modules),
        standard_parameters=standard.parameters(modules),
    )


def _layers(
    span: Span, pairs: list[Separable], own: Observed, standard: Observed
) -> tuple[Layer, ...]:
    """The convolutional layers of a span, the parts of a separable one together."""
    of_first = {pair.depthwise.name: pair for pair in pairs}
    second = {pair.pointwise.name for pair in pairs}
    layers = []
    for step in (*span.lead, *span.branch):
        if step.kind != "convolution" or step.name in second:
            continue
        spatial = own.convolution(step.name)
        if pair := of_first.get(step.name):
            mixing = own.convolution(pair.pointwise.name)
            between = tuple(item.kind for item in pair.between)
            twin = standard.convolution(pair.pointwise.name)
            layers.append(Layer(spatial, mixing, between, twin))
        else:
            layers.append(Layer(spatial, None, (), standard.convolution(step.name)))
    return tuple(layers)


def _order(steps: tuple[Step, ...], layers: tuple[Layer, ...]) -> tuple[str, ...]:
    """The steps' kinds, what makes a separable layer told once."""
    words: list[str] = []
    starts = {layer.spatial.name: layer for layer in layers}
    until = ""
    for step in steps:
        if until:
            until = "" if step.name == until else until
            continue
        layer = starts.get(step.name)
        if layer is None:
            words.append(step.kind)
        elif layer.pointwise is None:
            words.append("conv")
        else:
            words.append("sep")
            until = layer.pointwise.name
    return tuple(words)


def _pool(steps: tuple[Step, ...], own: Observed) -> str:
    """The last max pooling, such as ``3×3 ↓2``; empty where there is none."""
    modules = [own.modules[step.name] for step in steps if step.kind == "pool"]
    pools = [module for module in modules if isinstance(module, nn.MaxPool2d)]
    kinds = [f"{pool.kernel_size}×{pool.kernel_size} ↓{pool.stride}" for pool in pools]
    return kinds[-1] if kinds else ""


def _place(names: list[str]) -> str:
    """Where modules are, as far down as a block.

    Examples:
        >>> _place(["body.blocks.3.stack.conv1.conv_dw"]), _place(["body.conv1"])
        ('blocks.3', 'conv1')
    """
    found = (re.match(r"body\.(blocks\.\d+|\w+)", name) for name in names)
    return ", ".join(dict.fromkeys(match[1] for match in found if match))
