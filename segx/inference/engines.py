"""Which engine runs a model, in which precision: the fastest one there is."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from segx.errors import ConfigError, SegxError
from segx.extras import install_extra
from segx.inference.exported import ExportedModel, exported_place
from segx.inference.quantise import quantised_place, read_passport
from segx.inference.runtimes import Precision, Runtime
from segx.inference.runtimes.onnx import OnnxRuntime, has_cuda
from segx.inference.runtimes.openvino import OpenVinoRuntime, bf16_is_native

if TYPE_CHECKING:
    from segx.artifact import Model
    from segx.inference.runtimes import Head

__all__ = [
    "Choices",
    "Engine",
    "Option",
    "RuntimeName",
    "choices_of_exported",
    "choices_of_model",
    "classifier_of",
    "options_here",
    "torch_reference",
]

RuntimeName = Literal["torch", "onnx", "openvino"]

_logger = logging.getLogger(__name__)


class Option(NamedTuple):
    """An engine and a precision."""

    runtime: RuntimeName
    precision: Precision

    def __str__(self) -> str:
        return f"{self.runtime} {self.precision}"


@dataclass(frozen=True)
class Engine:
    """The engine that was chosen, and the one that it is held against.

    Args:
        runtime: What shall run.
        reference: The same network in float32: in torch, or for an exported model in
            ONNX Runtime. Where it was chosen itself, it is the same object.
        spares: What builds the next ones, the fastest first, should it not be as good
            as the reference.
    """

    runtime: Runtime
    reference: Runtime
    spares: tuple[Callable[[], Runtime], ...] = ()


@dataclass(frozen=True)
class Choices:
    """The engines that can run a model on this machine.

    Args:
        options: The fastest first.
        reference: See `Engine`.
        build: Brings the network into an engine.
        device: Where they run.
    """

    options: tuple[Option, ...]
    reference: Runtime
    build: Callable[[Option], Runtime]
    device: str

    def choose(
        self,
        *,
        runtime: RuntimeName | None = None,
        precision: Precision | None = None,
    ) -> Engine:
        """Build the fastest that was asked for.

        Where it can't be built, that is logged, and the next one is taken.

        Args:
            runtime: None takes the fastest installed.
            precision: None takes the fastest there is.

        Raises:
            ConfigError: If there is no such engine here; what there is, is named.
            SegxError: If the network can't be brought into the only one that fits.
        """
        *others, last = options = self._matching(runtime, precision)
        for number, option in enumerate(others):
            try:
                return self._engine(self.build(option), options[number + 1 :])
            except SegxError as error:
                _logger.warning("%s can't be used: %s", option, error)
        return self._engine(self.build(last), [])

    def _engine(self, runtime: Runtime, rest: Sequence[Option]) -> Engine:
        spares = tuple(partial(self.build, option) for option in rest)
        return Engine(runtime, self.reference, spares)

    def _matching(
        self, runtime: RuntimeName | None, precision: Precision | None
    ) -> list[Option]:
        found = [
            option
            for option in self.options
            if runtime in (None, option.runtime)
            and precision in (None, option.precision)
        ]
        if found:
            return found
        asked = " ".join(item for item in (runtime, precision) if item)
        hint = (
            " Quantise the model for int8: segx export RUN --int8."
            if precision == "int8"
            else ""
        )
        raise ConfigError(
            f"There is no {asked} for this model on {self.device}. There is: "
            f"{', '.join(map(str, self.options)) or 'nothing'}.{hint} More engines "
            f"come with {install_extra('openvino', 'onnx')}."
        )


def choices_of_model(
    model: "Model", *, path: Path | None = None, device: str | None = None
) -> Choices:
    """The engines for a trained model.

    Args:
        model: A trained model.
        path: The run or file that was asked for: a quantised form is looked for there.
            None for where the weights are.
        device: ``cpu``, ``cuda`` or ``mps``; None takes the best there is.

    Raises:
        ConfigError: If the device is not there.
    """
    from segx.environment import bf16_support, choose_device
    from segx.inference.export import passport_of

    place = choose_device(device)
    reference = torch_reference(model, device=place)
    path = path or model.source
    quantised = _quantised(path, lambda: passport_of(model).weights_sha256)
    exported = cache(partial(_exported, model, path))

    def build(option: Option) -> Runtime:
        if option == Option("torch", "fp32"):
            return reference
        if option.runtime == "torch":
            return _on_torch(model, place, option.precision)
        if option.precision == "int8" and quantised is not None:
            return OpenVinoRuntime(quantised, precision="int8")
        if option.runtime == "onnx":
            return OnnxRuntime(exported(), device=place)
        return OpenVinoRuntime(exported(), precision=option.precision)

    options = options_here(
        place,
        torch_bf16=bf16_support(place).fast,
        quantised=quantised is not None,
    )
    return Choices(options, reference, build, place)


def choices_of_exported(model: ExportedModel) -> Choices:
    """The engines for an exported model; torch is none of them."""
    quantised = _quantised(model.source, lambda: model.passport.weights_sha256)

    def build(option: Option) -> Runtime:
        if option.runtime == "onnx":
            return model.runtime
        if option.precision == "int8" and quantised is not None:
            return OpenVinoRuntime(quantised, precision="int8")
        return OpenVinoRuntime(model.source, precision=option.precision)

    device = model.runtime.device
    options = options_here(device, torch_bf16=None, quantised=quantised is not None)
    return Choices(options, model.runtime, build, device)


def torch_reference(model: "Model", *, device: str = "cpu") -> Runtime:
    """The engine that all others are held against: torch in float32."""
    return _on_torch(model, device, "fp32")


def classifier_of(model: "Model", *, device: str | None = None) -> Runtime | None:
    """What tells classes beside masks: torch in float32; None where there is one task.

    It looks at one resized image a scan, which takes little time in any engine.
    """
    if model.spec.labels is None or model.spec.class_names is None:
        return None
    from segx.environment import choose_device
    from segx.inference.runtimes.eager import TorchRuntime

    place = choose_device(device)
    return TorchRuntime(
        model.logits_network, device=place, precision="fp32", head="class"
    )


def options_here(
    device: str, *, torch_bf16: bool | None, quantised: bool
) -> tuple[Option, ...]:
    """Engines that can run a model on this machine, the fastest first.

    The order was measured with a U-Net on legacy_xception, on a processor with
    bfloat16: OpenVINO int8 0.11 s a tile of 512x512 px, OpenVINO bf16 0.21, torch bf16
    0.30, OpenVINO fp32 0.43, ONNX Runtime fp32 0.49, torch fp32 0.60. ONNX Runtime
    stands behind torch where there is both: to export the network first takes seconds.

    Args:
        device: ``cpu``, ``cuda``, ``mps`` …
        torch_bf16: Whether torch is fast in bfloat16 on the device; None if the model
            does not run in torch.
        quantised: Whether there is a quantised form of the model.
    """
    if _kind(device) != "cpu":
        return _options_on_gpu(device, torch_bf16=torch_bf16)
    found: list[Option] = []
    openvino = find_spec("openvino") is not None
    native = openvino and bf16_is_native()
    if openvino and quantised:
        found.append(Option("openvino", "int8"))
    if native:
        found.append(Option("openvino", "bf16"))
    if torch_bf16:
        found.append(Option("torch", "bf16"))
    if openvino:
        found.append(Option("openvino", "fp32"))
    if torch_bf16 is not None:
        found.append(Option("torch", "fp32"))
    if find_spec("onnxruntime"):
        found.append(Option("onnx", "fp32"))
    if torch_bf16 is False:
        # Emulated, and slow; there for those who ask for it.
        found.append(Option("torch", "bf16"))
    return tuple(found)


def _options_on_gpu(device: str, *, torch_bf16: bool | None) -> tuple[Option, ...]:
    found: list[Option] = []
    if torch_bf16 is not None:
        fp32 = Option("torch", "fp32")
        halves = [Option("torch", "bf16"), Option("torch", "fp16")]
        found += [*halves, fp32] if torch_bf16 else [fp32, *reversed(halves)]
    if _kind(device) == "cuda" and has_cuda():
        found.append(Option("onnx", "fp32"))
    return tuple(found)


def _on_torch(model: "Model", device: str, precision: Precision) -> Runtime:
    from segx.inference.runtimes.eager import TorchRuntime

    head: Head = "mask" if model.spec.labels else "class"
    return TorchRuntime(
        model.logits_network, device=device, precision=precision, head=head
    )


def _exported(model: "Model", path: Path) -> Path | bytes:
    """The network as ONNX: as it stands with the run already, or made now.

    To make it takes about 3 s, each time.
    """
    from segx.inference.export import passport_of, to_onnx

    place = exported_place(path)
    if place.is_file():
        try:
            found = ExportedModel.read(place, device="cpu").passport
        except SegxError as error:
            _logger.warning("The exported model is not used: %s", error)
        else:
            if found == passport_of(model):
                return place
    return to_onnx(model)


def _quantised(path: Path, weights_sha256: Callable[[], str]) -> Path | None:
    """The quantised form of these very weights, if there is one that can be used."""
    place = quantised_place(path)
    if not place.is_file() or find_spec("openvino") is None:
        return None
    try:
        passport = read_passport(place)
    except SegxError as error:
        _logger.warning("The quantised model is not used: %s", error)
        return None
    if passport.weights_sha256 != weights_sha256():
        _logger.warning(
            "%s is not used: it was made of other weights. Quantise again: "
            "segx export RUN --int8",
            place,
        )
        return None
    return place


def _kind(device: str) -> str:
    """A device without its number."""
    return device.partition(":")[0]
