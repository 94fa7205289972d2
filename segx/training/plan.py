"""What a training step costs on this machine, measured, and the batch that follows."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from segx.artifact import build_network
from segx.config import FitConfig
from segx.environment import (
    Precision,
    choose_device,
    choose_precision,
    usable_memory,
)
from segx.errors import OutOfMemoryError
from segx.geometry import Extent
from segx.losses import DeepSupervision
from segx.spec import ModelSpec
from segx.training.classification import class_labels_of
from segx.training.loss_choice import build_class_loss, build_loss
from segx.training.optim import build_optimizer

__all__ = ["StepCost", "choose_batch", "device_of", "measure_steps"]

_MOST_BATCH = 64
_STEPS = 3
"""The first of them builds what the others reuse: it counts only if it is alone."""

_MEMORY_SHARE = 0.6
"""Of the memory that there is; the rest is for images, and for others."""

_GAIN = 0.15
"""A larger batch that is faster by less is not worth its memory."""

_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class StepCost:
    """What one training step costs.

    Args:
        batch_size: Images in the batch.
        seconds: Time of the step.
        memory_bytes: Most memory that was in use: on a GPU its own, else all of this
            process; None if unknown.
    """

    batch_size: int
    seconds: float
    memory_bytes: int | None

    @property
    def image_s(self) -> float:
        """Seconds an image."""
        return self.seconds / self.batch_size


def measure_steps(
    spec: ModelSpec,
    config: FitConfig,
    *,
    extent: Extent,
    least: int,
    limit_s: float,
) -> tuple[StepCost, ...]:
    """Time real steps of the real network, on noise, at growing batch sizes.

    The device and the precision are those that a training would take. It ends before
    a batch that would exceed the time or the memory, judged by the one before. A GPU
    that can't hold the least batch gets smaller ones.

    Args:
        spec: The network.
        config: Gives the loss, the optimizer, the device and the precision.
        extent: Size of a training example, in pixels.
        least: Size of the first batch.
        limit_s: Seconds that all of it may take; the first step is always made.

    Returns:
        The cost of at least one batch.

    Raises:
        OutOfMemoryError: If the device can't hold a single image.
    """
    step = _Step(spec, config, extent)
    ends = time.monotonic() + limit_s
    costs: list[StepCost] = []
    for batch_size in _doubled(least):
        if costs:
            takes_s = _STEPS * batch_size * costs[-1].image_s
            too_late = takes_s > ends - time.monotonic()
            if too_late or _next_bytes(costs) > step.most_bytes:
                break
        cost = _fitting(step, batch_size, ends)
        if cost is None:
            break
        costs.append(cost)
    return tuple(costs) or (_smaller(step, least, ends),)


def choose_batch(costs: Sequence[StepCost]) -> StepCost:
    """The smallest batch that is about as fast as any, an image.

    Args:
        costs: What was measured, one or more, by growing batch size.

    Examples:
        >>> costs = [StepCost(2, 0.8, None), StepCost(4, 1.2, None)]
        >>> choose_batch([*costs, StepCost(8, 2.3, None)]).batch_size
        4
    """
    fastest = min(cost.image_s for cost in costs)
    return next(cost for cost in costs if cost.image_s <= fastest * (1 + _GAIN))


def device_of(config: FitConfig) -> tuple[str, Precision]:
    """Where a training runs, and in which precision."""
    accelerator = str(config.trainer.get("accelerator") or "auto")
    asked = str(config.trainer.get("precision") or "auto")
    precision = choose_precision(asked, device=accelerator)
    return choose_device(accelerator), precision


class _Step:
    """A network, ready to make training steps on noise."""

    def __init__(self, spec: ModelSpec, config: FitConfig, extent: Extent) -> None:
        device, precision = device_of(config)
        self._device = torch.device(device)
        self._autocast = _AUTOCAST.get(precision.name)
        self._spec, self._extent = spec, extent
        self._network = build_network(spec).to(self._device)
        self._format = torch.contiguous_format
        if config.training.channels_last:
            self._format = torch.channels_last
            self._network.to(memory_format=torch.channels_last)
        self._loss = _loss_of(spec, config).to(self._device)
        self._optimizer = build_optimizer(self._network, config.training.optimizer)
        self.most_bytes = _MEMORY_SHARE * _memory_of(self._device)

    def measure(self, batch_size: int, ends: float) -> StepCost:
        """Make a few steps, one at least; others on the machine can only slow them."""
        image, target = self._noise(batch_size)
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        seconds: list[float] = []
        while not seconds or (len(seconds) < _STEPS and time.monotonic() < ends):
            seconds.append(self._timed(image, target))
        best = min(seconds[1:] or seconds)
        return StepCost(batch_size, best, _peak_bytes(self._device))

    def _timed(self, image: Tensor, target: Tensor) -> float:
        start = time.monotonic()
        self._optimizer.zero_grad()
        dtype = self._autocast
        with torch.autocast(self._device.type, dtype, enabled=dtype is not None):
            prediction = self._network(image)
            if self._spec.labels is None:
                loss = self._loss(prediction.class_logits, target)
            else:
                auxiliary = prediction.auxiliary_logits
                loss = self._loss(prediction.mask_logits, target, auxiliary=auxiliary)
        loss.backward()
        self._optimizer.step()
        loss.item()  # waits for the device
        return time.monotonic() - start

    def _noise(self, batch_size: int) -> tuple[Tensor, Tensor]:
        rows, cols = self._extent.rows, self._extent.cols
        image = torch.randn(batch_size, self._spec.in_channels, rows, cols)
        target = _target(self._spec, batch_size, self._extent)
        image = image.to(self._device, memory_format=self._format)
        return image, target.to(self._device)


def _doubled(least: int) -> Iterator[int]:
    """Batch sizes to try, by doubling."""
    while least <= _MOST_BATCH:
        yield least
        least *= 2


def _fitting(step: _Step, batch_size: int, ends: float) -> StepCost | None:
    """What a batch costs; None if the device's memory can't hold it."""
    try:
        return step.measure(batch_size, ends)
    except torch.OutOfMemoryError:
        return None


def _smaller(step: _Step, batch_size: int, ends: float) -> StepCost:
    """What the largest batch costs that the device can hold, by halving."""
    while batch_size > 1:
        batch_size //= 2
        cost = _fitting(step, batch_size, ends)
        if cost is not None:
            return cost
    raise OutOfMemoryError(
        "The device has too little memory to train on a single image. Give a smaller "
        "size (--data.crop 128) or a smaller network (--model.encoder.name "
        "xception_narrow)."
    )


def _loss_of(spec: ModelSpec, config: FitConfig) -> nn.Module:
    if spec.labels is None:
        return build_class_loss(config.model.loss, class_labels_of(spec))
    return DeepSupervision(build_loss(config.model.loss, spec.labels))


def _target(spec: ModelSpec, batch_size: int, extent: Extent) -> Tensor:
    """Random ids, of each pixel or of each image."""
    if spec.labels is None:
        classes = class_labels_of(spec)
        if classes.kind == "multilabel":
            return torch.randint(2, (batch_size, len(classes.names)))
        return torch.randint(len(classes.names), (batch_size,))
    size = (batch_size, extent.rows, extent.cols)
    if spec.labels.kind == "multilabel":
        planes = len(spec.labels.names)
        return torch.randint(2, (size[0], planes, *size[1:]))
    return torch.randint(len(spec.labels.names), size)


def _memory_of(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(usable_memory() or "inf")


def _peak_bytes(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type != "cpu" or sys.platform == "win32":
        return None
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # KiB on Linux


def _next_bytes(costs: Sequence[StepCost]) -> float:
    """Memory that a batch of twice the size will need."""
    last = costs[-1].memory_bytes or 0
    before = (costs[-2].memory_bytes or 0) if len(costs) > 1 else 0
    return last + 2 * (last - before) if before else last
