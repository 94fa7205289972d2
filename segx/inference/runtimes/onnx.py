"""ONNX Runtime as an engine; it needs no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ArtifactError, ConfigError, MissingExtraError, ModelError
from segx.extras import install_extra
from segx.inference.runtimes.runtime import too_little_memory, usable_threads

__all__ = ["OnnxRuntime", "has_cuda"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# What allocators of ONNX Runtime say; it has no error class for it.
_NO_MEMORY = ("bad_alloc", "Failed to allocate memory", "out of memory")
_QUIET = 3  # errors only: what it warns of can't be acted on


class OnnxRuntime:
    """Runs an ONNX model in ONNX Runtime, in float32.

    Args:
        model: The file, or its bytes. It takes tiles and gives logits, as `Runtime`.
        device: ``cpu``, ``cuda`` or ``cuda:1`` ….

    Raises:
        MissingExtraError: If ONNX Runtime is not installed.
        ConfigError: If this build of ONNX Runtime can't use the device.
        ArtifactError: If the model can't be read, or is no network for images.
    """

    def __init__(self, model: Path | bytes, *, device: str = "cpu") -> None:
        ort = _onnxruntime()
        name = model.name if isinstance(model, Path) else "the network"
        provider, settings = _provider(ort, device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = usable_threads()
        options.log_severity_level = _QUIET
        self._errors = _errors_of(ort)
        self._device = device
        content = str(model) if isinstance(model, Path) else model
        try:
            self._session = ort.InferenceSession(
                content, options, providers=[(provider, settings)]
            )
            self._metadata = self._session.get_modelmeta().custom_metadata_map
        except self._errors as error:
            raise ArtifactError(
                f"{model if isinstance(model, Path) else name} can't be read as an "
                f"ONNX model ({_first_line(error)}). It is damaged: export it again."
            ) from error
        if self._session.get_providers()[0] != provider:
            raise ConfigError(
                f"ONNX Runtime can't use {device}: its {provider} did not start. See "
                "whether the GPU's driver and CUDA fit this build of onnxruntime-gpu."
            )
        self._input = self._only_input(name)

    @property
    def about(self) -> str:
        """Engine, device and precision."""
        return f"onnxruntime {self._device} fp32"

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._device

    @property
    def channels(self) -> int | str:
        """Channels that it reads; a name where the model leaves it open."""
        channels: int | str = self._session.get_inputs()[0].shape[1]
        return channels

    @property
    def metadata(self) -> Mapping[str, str]:
        """What was stored with the model, text by name."""
        found: dict[str, str] = self._metadata
        return found

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Runtime.run`.

        Raises:
            ModelError: If the network can't run on such tiles.
            OutOfMemoryError: If there is too little memory for the batch.
        """
        try:
            (logits,) = self._session.run(None, {self._input: tiles})
        except self._errors as error:
            if any(phrase in str(error) for phrase in _NO_MEMORY):
                raise too_little_memory(self._device, tiles) from error
            raise ModelError(
                f"ONNX Runtime can't run the network on tiles of shape {tiles.shape}: "
                f"{_first_line(error)}"
            ) from error
        return np.asarray(logits, np.float32)

    def _only_input(self, name: str) -> str:
        """The name of the tiles, if this is a network of ours."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
            raise ArtifactError(
                f"{name} has {len(inputs)} inputs and {len(outputs)} outputs; a "
                "network of segx has one of each, and its input has four axes. Give "
                "a model that `segx export` wrote."
            )
        return str(inputs[0].name)


def has_cuda() -> bool:
    """Whether ONNX Runtime is installed, in a build that can use an NVIDIA GPU.

    Whether there is a GPU is another matter, which only a session can tell.
    """
    try:
        ort = _onnxruntime()
    except MissingExtraError:
        return False
    return _PROVIDERS["cuda"] in _available(ort)


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "ONNX models are run by a package that is not installed. Install it: "
            f"{install_extra('onnx')}"
        ) from error
    return onnxruntime


def _provider(ort: Any, device: str) -> tuple[str, dict[str, str]]:
    """What ONNX Runtime calls a device, and how it is told to compute there.

    Raises:
        ConfigError: If this build has no such thing.
    """
    kind, _, number = device.partition(":")
    there = [name for name in _PROVIDERS if _PROVIDERS[name] in _available(ort)]
    if kind not in there:
        raise ConfigError(
            f"ONNX Runtime can't use the device {device!r} here, only "
            f"{' or '.join(there)}. Its build for NVIDIA GPUs is onnxruntime-gpu."
        )
    if kind == "cpu":
        return _PROVIDERS[kind], {}
    # TF32 would round what is called float32 here to 10 bits of mantissa.
    return _PROVIDERS[kind], {"device_id": number or "0", "use_tf32": "0"}


def _available(ort: Any) -> list[str]:
    found: list[str] = ort.get_available_providers()
    return found


def _errors_of(ort: Any) -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; its classes have no common base of their own."""
    state = ort.capi.onnxruntime_pybind11_state
    names = (
        "EPFail",
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NoModel",
        "NoSuchFile",
        "NotImplemented",
        "RuntimeException",
    )
    # The last: where a damaged file holds names that are no text.
    return (*(getattr(state, name) for name in names), UnicodeDecodeError)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].strip()
