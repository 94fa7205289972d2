"""Take an encoder apart: hooks on its real modules, sizes, costs, proved skips."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from segx.errors import ModelError
from segx.geometry import Extent
from segx.models.anatomy.blocks import Anatomy, Block, Convolution, Layer, Skip
from segx.models.anatomy.dataflow import Kind, Span, Step, is_leaf, trace_spans
from segx.models.anatomy.proof import proved_skips
from segx.models.anatomy.twin import separables, standard_twin
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
    twin = standard_twin(shadow)  # before the hooks, which a copy would share
    own, standard = _observe(shadow, size), _observe(twin, size)
    proved = proved_skips(encoder, spans)
    blocks = [
        _block(encoder, span, number, own, standard, is_proved=is_proved)
        for number, (span, is_proved) in enumerate(zip(spans, proved, strict=True), 1)
    ]
    return Anatomy(
        encoder=encoder.name,
        in_channels=encoder.in_channels,
        output_stride=encoder.info.output_stride,
        size=size,
        blocks=tuple(blocks),
        features=tuple((item.shape[1], _extent(item)) for item in own.features),
        parameters=count_parameters(encoder),
        standard_parameters=count_parameters(twin),
    )


@dataclass(frozen=True, slots=True)
class _Observed:
    """What a run on an image without data showed, by the modules' paths."""

    modules: Mapping[str, nn.Module]
    extents: Mapping[str, Extent]
    """Size of what each leaf gave."""
    macs: Mapping[str, int]
    features: list[Tensor]


def _observe(shadow: XceptionEncoder, size: int) -> _Observed:
    modules = dict(shadow.named_modules())
    extents: dict[str, Extent] = {}
    for name, module in modules.items():
        if is_leaf(module):

            def note(_: nn.Module, __: object, given: Tensor, name: str = name) -> None:
                extents[name] = _extent(given)

            module.register_forward_hook(note)
    image = torch.empty(1, shadow.in_channels, size, size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        features = shadow(image)
    root = f"{type(shadow).__name__}."
    # A multiplication and an addition are two operations.
    macs = {
        name.removeprefix(root): sum(counts.values()) // 2
        for name, counts in counter.get_flop_counts().items()
    }
    return _Observed(modules, extents, macs, features)


def _block(
    encoder: XceptionEncoder,
    span: Span,
    number: int,
    own: _Observed,
    standard: _Observed,
    *,
    is_proved: bool,
) -> Block:
    layers = _layers(encoder, span, own, standard)
    steps = span.lead + span.branch
    skip = None
    if span.skip is not None:
        skip = Skip(_convolutions(span.skip, own), is_proved)
    names = {step.name for step in span.steps if step.name}
    return Block(
        number=number,
        name=_place([step.name for step in steps if step.kind == "convolution"]),
        order=_order(steps, layers),
        fork=len(span.lead),
        layers=layers,
        skip=skip,
        extent=own.extents[next(s.name for s in reversed(steps) if s.name)],
        parameters=sum(count_parameters(own.modules[name]) for name in names),
        standard_parameters=sum(
            count_parameters(standard.modules[name]) for name in names
        ),
    )


def _layers(
    encoder: XceptionEncoder, span: Span, own: _Observed, standard: _Observed
) -> tuple[Layer, ...]:
    """The convolutional layers of a span, the parts of a separable one together."""
    pairs = {
        depthwise.name: (between, pointwise.name)
        for depthwise, between, pointwise in separables(encoder, span)
    }
    second = {pointwise for _, pointwise in pairs.values()}
    layers = []
    for step in (*span.lead, *span.branch):
        if step.kind != "convolution" or step.name in second:
            continue
        spatial = _convolution(step.name, own)
        if step.name in pairs:
            between, name = pairs[step.name]
            kinds: tuple[Kind, ...] = tuple(item.kind for item in between)
            twin = _convolution(name, standard)
            layers.append(Layer(spatial, _convolution(name, own), kinds, twin))
        else:
            layers.append(Layer(spatial, None, (), _convolution(step.name, standard)))
    return tuple(layers)


def _convolutions(steps: tuple[Step, ...], seen: _Observed) -> tuple[Convolution, ...]:
    return tuple(
        _convolution(step.name, seen) for step in steps if step.kind == "convolution"
    )


def _convolution(name: str, seen: _Observed) -> Convolution:
    module = seen.modules[name]
    if not isinstance(module, nn.Conv2d):
        raise ModelError(f"{name} is a {type(module).__name__}, no convolution.")
    return Convolution(
        name=name,
        kernel=module.kernel_size[0],
        stride=module.stride[0],
        dilation=module.dilation[0],
        groups=module.groups,
        in_channels=module.in_channels,
        out_channels=module.out_channels,
        extent=seen.extents[name],
        parameters=count_parameters(module),
        macs=seen.macs[name],
    )


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


def _place(names: list[str]) -> str:
    """Where modules are, as far down as a block.

    Examples:
        >>> _place(["body.blocks.3.stack.conv1.conv_dw"]), _place(["body.conv1"])
        ('blocks.3', 'conv1')
    """
    found = (re.match(r"body\.(blocks\.\d+|\w+)", name) for name in names)
    return ", ".join(dict.fromkeys(match[1] for match in found if match))


def _extent(features: Tensor) -> Extent:
    return Extent(*features.shape[-2:])
