"""How a step changes the weights: parameter groups, warm-up, schedule, averaging."""

import inspect
import math
from collections import defaultdict
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from segx.config import Choice, class_named, typed_options
from segx.errors import ConfigError
from segx.models.encoder import XceptionEncoder

__all__ = ["Schedule", "average_of", "build_optimizer", "check_optimizer"]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "AdamW": torch.optim.AdamW,
    "Adam": torch.optim.Adam,
    "SGD": torch.optim.SGD,
    "RAdam": torch.optim.RAdam,
    "NAdam": torch.optim.NAdam,
}


class Schedule:
    """Factor on the learning rate: a linear warm-up, then constant or half a cosine.

    The warm-up has a fixed number of steps, so that it can run before the total is
    known: a time budget is turned into a total while it lasts.

    Args:
        kind: ``cosine`` (down to 0 at the last step) or ``constant``.
        warmup_steps: Steps over which the factor rises to 1.
        total_steps: Steps of the whole training; None: not known yet, factor 1.

    References:
        Loshchilov & Hutter 2017, arXiv 1608.03983.

    Examples:
        >>> half = Schedule("cosine", warmup_steps=2, total_steps=6)
        >>> [round(half(step), 2) for step in range(7)]
        [0.5, 1.0, 1.0, 0.85, 0.5, 0.15, 0.0]
    """

    def __init__(
        self, kind: str, *, warmup_steps: int, total_steps: int | None = None
    ) -> None:
        self.kind = kind
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step: int) -> float:
        """The factor for step number `step`, counted from 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.kind == "constant" or self.total_steps is None:
            return 1.0
        length = max(1, self.total_steps - self.warmup_steps)
        done = min(1.0, (step - self.warmup_steps) / length)
        return 0.5 * (1 + math.cos(math.pi * done))


def check_optimizer(
    choice: Choice,
) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """The optimizer that a config names, and its options.

    Raises:
        ConfigError: For an unknown name or option, a value that it does not take, or
            an optimizer that can't treat kernels and biases differently.
    """
    key = "training.optimizer"
    cls = class_named(choice.name, OPTIMIZERS, key=key, base=torch.optim.Optimizer)
    options = typed_options(cls, choice, key=key, supplied=("params",))
    groups = [{"params": [nn.Parameter(torch.zeros(1, 1))]} for _ in range(2)]
    try:
        cls(groups, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{key}: {choice.name}: {error}") from error
    return cls, options


def build_optimizer(
    network: nn.Module,
    choice: Choice,
    *,
    layer_decay: float = 1.0,
    fused: bool = False,
) -> torch.optim.Optimizer:
    """Build the optimizer; weight decay is for kernels and matrices only.

    Biases and the scales of normalisation layers are left out of it, as is usual for
    AdamW. Parameters that need no gradient are left out altogether.

    Args:
        network: What learns.
        choice: The optimizer by name and options.
        layer_decay: The rate of an encoder stage is so many times that of the next
            deeper one, and the deepest one's so many times that of decoder and heads.
        fused: Change a tensor in one pass over its memory, if the optimizer can and
            the config does not say otherwise.

    References:
        Layer-wise rates after Howard & Ruder 2018, doi:10.18653/v1/P18-1031.
    """
    cls, options = check_optimizer(choice)
    other_ways = options.keys() & {"foreach", "differentiable"}
    if fused and "fused" in inspect.signature(cls).parameters and not other_ways:
        options = {"fused": True, **options}
    above = _stages_above(network)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    for name, item in network.named_parameters():
        if item.requires_grad:
            groups[layer_decay ** above.get(name, 0), item.ndim > 1].append(item)
    # The full rate first, kernels before biases: the order that checkpoints know.
    order = sorted(groups, reverse=True)
    sections = [
        {"params": groups[key], **({} if key[1] else {"weight_decay": 0.0})}
        for key in order
    ]
    optimizer = cls(sections, **options)
    for (factor, _), group in zip(order, optimizer.param_groups, strict=True):
        group["lr"] *= factor
    return optimizer


def _stages_above(network: nn.Module) -> dict[str, int]:
    """How many encoder stages a rate is handed down to reach a parameter, by name."""
    return {
        f"{place}.{name}".removeprefix("."): 6 - module.stage(name)
        for place, module in network.named_modules()
        if isinstance(module, XceptionEncoder)
        for name, _ in module.named_parameters()
    }


def average_of(network: nn.Module, *, decay: float) -> AveragedModel:
    """A copy of a network that follows it as an exponential moving average.

    Batch-norm statistics are averaged like weights.

    References:
        Polyak & Juditsky 1992, doi:10.1137/0330046.
    """
    follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
    average.requires_grad_(requires_grad=False)
    return average
