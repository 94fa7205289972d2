"""PyTorch as an engine."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segx.boxes import Detections
from segx.errors import ConfigError, ModelError
from segx.inference.runtimes.runtime import Head, Precision, too_little_memory

if TYPE_CHECKING:
    from segx.models.network import Prediction

__all__ = ["TorchRuntime"]

_Answer = TypeVar("_Answer")

_OUT_OF_MEMORY = ("can't allocate memory", "STATUS_ALLOC_FAILED")

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchRuntime:
    """Runs a network in PyTorch.

    Args:
        network: In evaluation mode; it is moved to the device.
        device: Where to compute.
        precision: What convolutions compute in; None leaves it to the autocast that
            surrounds the call, or else to the weights.
        channels_last: Lay images out with the channels last, which most processors
            and GPUs convolve faster.
        head: Whose logits are wanted.
        compiled: Let `torch.compile` fuse the network's operations, on CUDA only: on
            a processor it was slower, and took 40 s.

    Raises:
        ModelError: If the network is in training mode.
        ConfigError: If it shall be compiled, or run in 8 bits, where that is not done.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        device: str | torch.device = "cpu",
        precision: Precision | None = None,
        channels_last: bool = True,
        head: Head = "mask",
        compiled: bool = False,
    ) -> None:
        if network.training:
            raise ModelError(
                "The network is in training mode: dropout and batch statistics would "
                "change its answers. Call network.eval() first."
            )
        self._device = torch.device(device)
        _check(self._device, precision, compiled=compiled)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._network = network.to(self._device).to(memory_format=self._layout)
        self._call: Any = torch.compile(self._network) if compiled else self._network
        self._compiled = compiled
        self._precision = precision
        self._head = head

    @property
    def about(self) -> str:
        """Engine, device and precision."""
        how = " compiled" if self._compiled else ""
        return f"torch {self._device} {self._precision or 'autocast'}{how}"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Runtime.run`.

        Raises:
            ModelError: If the network lacks the head.
            OutOfMemoryError: If the device has too little memory for the batch.
        """

        def on_host(prediction: "Prediction") -> NDArray[np.float32]:
            logits = self._logits(prediction).float()
            return np.asarray(logits.cpu().numpy(), np.float32)

        return self._answer(tiles, on_host)

    def find(self, tiles: NDArray[np.float32]) -> list[Detections]:
        """Run a detector; see `BoxRuntime.find`.

        Raises:
            ModelError: If it tells boxes that can't be, such as of no number.
            OutOfMemoryError: If the device has too little memory for the batch.
        """

        def on_host(found: list[dict[str, Tensor]]) -> list[Detections]:
            names = ("boxes", "labels", "scores")
            return [
                Detections.of(*(item[name].float().cpu().numpy() for name in names))
                for item in found
            ]

        return self._answer(tiles, on_host)

    def _answer(
        self, tiles: NDArray[np.float32], on_host: Callable[[Any], _Answer]
    ) -> _Answer:
        """What the network says, brought from the device to where the others are."""
        images = torch.from_numpy(tiles)
        try:
            with torch.inference_mode(), self._autocast():
                images = images.to(self._device, memory_format=self._layout)
                return on_host(self._call(images))
        except RuntimeError as error:
            if not _is_of_memory(error):
                raise
            raise too_little_memory(str(self._device), tiles) from error

    def _autocast(self) -> AbstractContextManager[object]:
        if self._precision is None:
            return nullcontext()
        dtype = _HALF.get(self._precision)
        return torch.autocast(self._device.type, dtype=dtype, enabled=dtype is not None)

    def _logits(self, prediction: "Prediction") -> Tensor:
        wants_mask = self._head == "mask"
        logits: Tensor | None = (
            prediction.mask_logits if wants_mask else prediction.class_logits
        )
        if logits is None:
            other = "classify" if wants_mask else "predict"
            raise ModelError(f"The network has no {self._head} head. Use {other}.")
        return logits


def _is_of_memory(error: RuntimeError) -> bool:
    """Whether memory was short; processors and CUDA's libraries say so in words."""
    is_said = any(words in str(error) for words in _OUT_OF_MEMORY)
    return is_said or isinstance(error, torch.OutOfMemoryError)


def _check(
    device: torch.device, precision: Precision | None, *, compiled: bool
) -> None:
    if compiled and device.type != "cuda":
        raise ConfigError(f"torch.compile does not pay on {device}, only on CUDA.")
    if precision == "int8":
        raise ConfigError(
            "PyTorch does not run the network in int8. Quantise it for OpenVINO: "
            "segx export RUN -o model.onnx --int8"
        )
