"""Which layer feeds which: an encoder cut into blocks where a skip forks and joins."""

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import nn
from torch.fx import Graph, Node, Tracer

from segx.errors import ModelError
from segx.models.encoder import XceptionEncoder

__all__ = ["Kind", "Span", "Step", "is_leaf", "trace_spans"]

Kind = Literal["convolution", "norm", "relu", "pool", "other"]

_ADDITIONS = (operator.add, operator.iadd, torch.add)
_RELUS = (F.relu, torch.relu, torch.relu_)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done to the features, and the module that does it."""

    kind: Kind
    name: str
    """The module's path in the encoder; empty where a function does it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Steps in a row; with a skip around them, or without.

    Args:
        lead: What is done before the skip forks off.
        branch: What is done beside the skip; without a skip, everything.
        skip: What is done to the skip, nothing for the identity; None: there is none.
    """

    lead: tuple[Step, ...]
    branch: tuple[Step, ...]
    skip: tuple[Step, ...] | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them, in the order of the forward pass."""
        return (*self.lead, *self.branch, *(self.skip or ()))


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is one step: it has no parts, or normalises (and activates)."""
    return isinstance(module, nn.BatchNorm2d) or not any(module.children())


def trace_spans(encoder: XceptionEncoder) -> list[Span]:
    """Cut an encoder's way from the image to its deepest feature at its additions.

    Nothing is known of names or classes: the forward pass itself is followed, so that
    a skip that is never added is none.

    Raises:
        ModelError: If two features meet otherwise than in a sum of two ways from one
            fork.
    """
    graph = _Tracer().trace(encoder)
    return _joined(_walk(_deepest(graph), dict(encoder.named_modules())))


class _Tracer(Tracer):
    """Records calls of leaves; looks into everything else."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_leaf(m)


def _deepest(graph: Graph) -> Node:
    """The node of the last feature."""
    output = next(node for node in graph.nodes if node.op == "output")
    return cast("list[Node]", output.args[0])[-1]


def _walk(node: Node, modules: dict[str, nn.Module]) -> list[Span]:
    """Spans up to a node, from the image on."""
    spans: list[Span] = []
    plain: list[Step] = []
    while node.op != "placeholder":
        if node.target not in _ADDITIONS:
            plain[:0] = _steps(node, modules)
            node = _only_input(node)
            continue
        branch, skip, fork = _ways(node)
        spans.insert(0, Span((), tuple(plain), None))
        spans.insert(0, Span((), _of(branch, modules), _of(skip, modules)))
        plain = []
        node = fork
    return [Span((), tuple(plain), None), *spans]


def _joined(spans: list[Span]) -> list[Span]:
    """Steps without a convolution go to the block that follows them, or end the last.

    A pre-activated block normalises before its skip forks off.
    """
    blocks: list[Span] = []
    lead: tuple[Step, ...] = ()
    for span in spans:
        if span.skip is None and not _convolutions(span.branch):
            lead += span.branch
        else:
            blocks.append(replace(span, lead=lead))
            lead = ()
    if lead and blocks:
        blocks[-1] = replace(blocks[-1], branch=blocks[-1].branch + lead)
    return blocks


def _ways(node: Node) -> tuple[list[Node], list[Node], Node]:
    """The two ways that an addition joins, the shorter one last, and their fork."""
    first, second = (list(_back(item)) for item in node.all_input_nodes)
    fork = next((item for item in first if item in second), None)
    if fork is None:
        raise ModelError(f"{node.name} adds two features without a common origin.")
    ways = [way[: way.index(fork)][::-1] for way in (first, second)]
    skip, branch = sorted(ways, key=len)
    return branch, skip, fork


def _back(node: Node) -> Iterator[Node]:
    """A node and those before it, up to an addition or the image."""
    while True:
        yield node
        if node.op == "placeholder" or node.target in _ADDITIONS:
            return
        node = _only_input(node)


def _only_input(node: Node) -> Node:
    inputs = node.all_input_nodes
    if len(inputs) != 1:
        raise ModelError(
            f"{node.name} takes {len(inputs)} features; only sums of two are known."
        )
    return inputs[0]


def _of(nodes: list[Node], modules: dict[str, nn.Module]) -> tuple[Step, ...]:
    return tuple(step for node in nodes for step in _steps(node, modules))


def _steps(node: Node, modules: dict[str, nn.Module]) -> list[Step]:
    """What a node does; a norm of timm's may activate as well."""
    if node.op != "call_module":
        return [Step("relu" if node.target in _RELUS else "other", "")]
    name = str(node.target)
    module = modules[name]
    parts = [module, *module.children()]
    return [Step(_kind(part), name) for part in parts if not _does_nothing(part)]


def _kind(module: nn.Module) -> Kind:
    kinds: tuple[tuple[type[nn.Module], Kind], ...] = (
        (nn.Conv2d, "convolution"),
        (nn.BatchNorm2d, "norm"),
        (nn.ReLU, "relu"),
        (nn.MaxPool2d, "pool"),
    )
    return next((kind for cls, kind in kinds if isinstance(module, cls)), "other")


def _does_nothing(module: nn.Module) -> bool:
    return isinstance(module, nn.Identity)


def _convolutions(steps: tuple[Step, ...]) -> list[Step]:
    return [step for step in steps if step.kind == "convolution"]
