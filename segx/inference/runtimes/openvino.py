"""OpenVINO as an engine for processors; it needs no torch."""

import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ArtifactError, ConfigError, MissingExtraError, ModelError
from segx.extras import install_extra
from segx.inference.runtimes.runtime import (
    Precision,
    too_little_memory,
    usable_threads,
)

__all__ = ["OpenVinoRuntime", "bf16_is_native", "openvino_core", "read_model"]

# Shapes that stay compiled: a scan has one, or few where it is smaller than a tile.
_KEPT_SHAPES = 4


class OpenVinoRuntime:
    """Runs a network on the processor in OpenVINO.

    Tiles run one by one, in a network that is compiled for their very shape: on a
    processor a batch is not faster, and open shapes are slower.

    Args:
        model: An ``.onnx`` or ``.xml`` file, or an ONNX model's bytes.
        precision: ``fp32``, ``bf16``, or ``int8`` for a model that was quantised; what
            is not quantised in it runs in bfloat16 where the processor has it.

    Raises:
        MissingExtraError: If OpenVINO is not installed.
        ConfigError: If the processor can't compute in that precision.
        ArtifactError: If the model can't be read.
    """

    def __init__(self, model: Path | bytes, *, precision: Precision = "fp32") -> None:
        self._core = openvino_core()
        self._hint = _hint(precision)
        self._precision = precision
        self._model = read_model(model)
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    @property
    def about(self) -> str:
        """Engine, device and precision."""
        return f"openvino cpu {self._precision}"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Runtime.run`.

        Raises:
            ModelError: If the network can't run on such tiles.
            OutOfMemoryError: If there is too little memory for a tile.
        """
        try:
            request = self._request((1, *tiles.shape[1:]))
            logits = [
                np.array(request.infer([tile[np.newaxis]], share_inputs=True)[0])
                for tile in tiles
            ]
        except MemoryError as error:
            raise too_little_memory("cpu", tiles[:1]) from error
        except RuntimeError as error:
            if "bad_alloc" in str(error) or "allocate" in str(error):
                raise too_little_memory("cpu", tiles[:1]) from error
            raise ModelError(
                f"OpenVINO can't run the network on tiles of shape {tiles.shape}: "
                f"{_last_line(error)}"
            ) from error
        return np.concatenate(logits).astype(np.float32, copy=False)

    def _request(self, shape: tuple[int, ...]) -> Any:
        """The network, compiled for a shape; the one used longest ago is let go."""
        if shape not in self._compiled:
            model = self._model.clone()
            model.reshape(list(shape))
            options = {
                "INFERENCE_PRECISION_HINT": self._hint,
                "INFERENCE_NUM_THREADS": usable_threads(),
                "NUM_STREAMS": 1,
            }
            compiled = self._core.compile_model(model, "CPU", options)
            self._compiled[shape] = compiled.create_infer_request()
        self._compiled.move_to_end(shape)
        while len(self._compiled) > _KEPT_SHAPES:
            self._compiled.popitem(last=False)
        return self._compiled[shape]


def read_model(model: Path | bytes) -> Any:
    """Read an ``openvino.Model`` from a file or an ONNX model's bytes.

    Raises:
        ArtifactError: If it is damaged or not there.
    """
    core = openvino_core()
    try:
        return core.read_model(str(model) if isinstance(model, Path) else model)
    except RuntimeError as error:
        name = model if isinstance(model, Path) else "The network"
        raise ArtifactError(
            f"{name} can't be read by OpenVINO ({_last_line(error)}). It is damaged: "
            "export it again."
        ) from error


def bf16_is_native() -> bool:
    """Whether OpenVINO multiplies bfloat16 in hardware on this processor."""
    core = openvino_core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def openvino_core() -> Any:
    """OpenVINO's door, from which nothing is sent out.

    Raises:
        MissingExtraError: If it is not installed.
    """
    # With this package OpenVINO and NNCF report each import and each use to a server,
    # and have no switch for it; without it, nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"OpenVINO is not installed. Install it: {install_extra('openvino')}"
        ) from error
    return openvino.Core()


def _hint(precision: Precision) -> str:
    """The precision that OpenVINO is told to infer in."""
    if precision == "fp32":
        return "f32"
    if precision == "int8":
        return "bf16" if bf16_is_native() else "f32"
    if precision == "bf16" and bf16_is_native():
        return "bf16"
    raise ConfigError(
        f"OpenVINO can't compute in {precision} on this processor. Take fp32, or a "
        "quantised model in int8."
    )


def _last_line(error: Exception) -> str:
    """OpenVINO says first where in its sources it was, and last what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
