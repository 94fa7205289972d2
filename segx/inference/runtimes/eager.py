"""PyTorch as an engine."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segx.errors import ModelError, OutOfMemoryError
from segx.inference.runtimes.runtime import Precision

if TYPE_CHECKING:
    from segx.models.network import Network, Prediction

__all__ = ["TorchRuntime"]

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

    Raises:
        ModelError: If the network is in training mode.
    """

    def __init__(
        self,
        network: "Network",
        *,
        device: str | torch.device = "cpu",
        precision: Precision | None = None,
        channels_last: bool = True,
        head: Literal["mask", "class"] = "mask",
    ) -> None:
        if network.training:
            raise ModelError(
                "The network is in training mode: dropout and batch statistics would "
                "change its answers. Call network.eval() first."
            )
        self._device = torch.device(device)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._network = network.to(self._device).to(memory_format=self._layout)
        self._precision = precision
        self._head = head

    @property
    def about(self) -> str:
        """Engine, device and precision."""
        return f"torch {self._device} {self._precision or 'autocast'}"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Runtime.run`.

        Raises:
            ModelError: If the network lacks the head.
            OutOfMemoryError: If the device has too little memory for the batch.
        """
        images = torch.from_numpy(tiles)
        try:
            with torch.inference_mode(), self._autocast():
                images = images.to(self._device, memory_format=self._layout)
                logits = self._logits(self._network(images))
                return np.asarray(logits.float().cpu().numpy(), np.float32)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"{self._device} has too little memory for {len(tiles)} tiles of "
                f"{tiles.shape[2]}x{tiles.shape[3]} px. Take smaller batches or tiles: "
                "--batch-size, --tile."
            ) from error

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
