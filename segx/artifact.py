"""A trained model on disk: a run folder, a .ckpt, or a folder of config and weights."""

import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from segx.atomic import (
    check_writable,
    digest_file,
    replacing,
    verify_digest,
    write_digest,
    write_text,
)
from segx.config import (
    Choice,
    ModelConfig,
    class_named,
    did_you_mean,
    dump_yaml,
    parse_yaml,
    typed_options,
)
from segx.errors import ArtifactError, ConfigError, ModelError
from segx.models.decoders import DECODERS, Decoder, check_pair
from segx.models.detection import DETECTORS, DetectionNetwork, Detector
from segx.models.encoder import ENCODERS, XceptionEncoder, check_encoder
from segx.models.network import Network
from segx.spec import ModelSpec, parse_spec

__all__ = [
    "Model",
    "build_network",
    "check_model",
    "check_model_folder",
    "find_weights",
    "load_model",
    "network_state",
    "read_checkpoint",
    "read_spec",
    "save_model",
    "store_spec",
]

_WEIGHTS = (".ckpt", ".safetensors")
# What torch lets out of damaged checkpoints: fuzzing has brought these up.
_DAMAGE = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
)
# Where a run and a model folder keep their weights, the better ones first.
_PLACES = (
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "checkpoints/previous.ckpt",
    "weights.safetensors",
)


@dataclass(frozen=True)
class Model:
    """A network in evaluation mode, what it was built from and where it came from."""

    network: Network | DetectionNetwork
    spec: ModelSpec
    source: Path

    @property
    def logits_network(self) -> Network:
        """The network, where it gives logits of pixels or of images.

        Raises:
            ModelError: If it finds boxes.
        """
        if isinstance(self.network, DetectionNetwork):
            raise ModelError(
                f"{self.source} finds boxes, and this takes a model of masks or of "
                "classes. Its boxes are told by segx predict and segx test."
            )
        return self.network


def check_model(config: ModelConfig, *, task: str) -> None:
    """Refuse a network that can't be built, before any data are read.

    Raises:
        ConfigError: For an unknown encoder, decoder, detector or option, or for a pair
            that can't work; an encoder that would is named.
    """
    name = config.encoder.name
    if name not in ENCODERS:
        raise ConfigError(
            f"model.encoder.name: unknown name {name!r}. {did_you_mean(name, ENCODERS)}"
        )
    if task == "detection":
        _check_detector(config)
        return
    if task == "classification":
        return
    if config.decoder is None:
        raise ConfigError("model.decoder: a segmentation needs one, such as UNet.")
    decoder, _ = _decoder_class(config.decoder)
    try:
        check_pair(name, config.encoder.output_stride, decoder)
    except ModelError as error:
        raise ConfigError(f"model.decoder: {error}") from error


def build_network(spec: ModelSpec) -> Network | DetectionNetwork:
    """The network that a spec describes, with random weights."""
    encoder = XceptionEncoder(
        spec.encoder.name, spec.in_channels, output_stride=spec.encoder.output_stride
    )
    if spec.detector is not None and spec.labels is not None:
        found, options = _detector_class(spec.detector)
        classes = len(spec.labels.foreground)
        return DetectionNetwork(
            encoder, found(encoder.info, classes=classes, **options)
        )
    decoder = None
    if spec.decoder is not None:
        cls, options = _decoder_class(spec.decoder)
        decoder = cls(encoder.info, **options)
    return Network(
        encoder,
        decoder=decoder,
        mask_logits=spec.labels.logits if spec.labels else None,
        classes=len(spec.class_names) if spec.class_names else None,
        dropout=spec.head.dropout,
        hidden=spec.head.hidden,
    )


def load_model(path: str | Path) -> Model:
    """Load a trained model, ready to predict.

    Args:
        path: A run folder (its best checkpoint is taken), a ``.ckpt``, or a folder
            with ``config.yaml`` and ``weights.safetensors``.

    Raises:
        ArtifactError: If nothing is there, a digest doesn't match, the file is no
            model of segx, or its tensors don't fit the network that it describes.
    """
    weights = find_weights(Path(path))
    verify_digest(weights)
    if weights.suffix == ".safetensors":
        spec, state = _read_folder(weights)
    else:
        spec, state = _read_checkpoint(weights)
    network = build_network(spec)
    _load_strictly(network, state, source=weights)
    return Model(network.eval(), spec, weights)


def read_spec(path: str | Path) -> ModelSpec:
    """What a trained model is, without building it."""
    weights = find_weights(Path(path))
    if weights.suffix == ".safetensors":
        return parse_spec(_folder_config(weights), source=weights)
    return _read_checkpoint(weights)[0]


def check_model_folder(folder: Path) -> None:
    """Refuse a place where a model folder would replace files of another kind.

    Raises:
        ConfigError: If it has a config or weights, but not both; or can't be written.
    """
    config, weights = folder / "config.yaml", folder / "weights.safetensors"
    if config.exists() != weights.exists():
        raise ConfigError(
            f"{folder} is no model folder, but holds {config.name} or {weights.name}, "
            "which are not overwritten. Choose another folder."
        )
    check_writable(config)


def save_model(model: Model, folder: Path) -> Path:
    """Write ``config.yaml``, ``weights.safetensors`` and the weights' digest.

    Returns:
        The folder; what `check_model_folder` refuses is not written.
    """
    check_model_folder(folder)
    write_text(folder / "config.yaml", dump_yaml(model.spec.model_dump(mode="json")))
    weights = folder / "weights.safetensors"
    state = {
        name: item.contiguous() for name, item in model.network.state_dict().items()
    }
    with replacing(weights) as temporary:
        save_file(state, temporary)
    write_digest(weights)
    return folder


def store_spec(path: Path, spec: ModelSpec) -> Path:
    """Write another spec into a trained model, whose weights stay as they are.

    Args:
        path: A run folder, a ``.ckpt`` or a model folder; what `load_model` takes.
        spec: Must describe the same network.

    Returns:
        The file that was written.
    """
    weights = find_weights(path)
    values = spec.model_dump(mode="json")
    if weights.suffix == ".safetensors":
        config = weights.with_name("config.yaml")
        write_text(config, dump_yaml(values))
        return config
    verify_digest(weights)
    content = read_checkpoint(weights)
    content["hyper_parameters"]["spec"] = values
    # Into an open file: of a path, torch would write the temporary name into it.
    with replacing(weights) as temporary:
        with temporary.open("wb") as file:
            torch.save(content, file)
        # Without a digest a file is taken as it is, with another's it is not.
        digest_file(weights).unlink(missing_ok=True)
    write_digest(weights)
    return weights


def find_weights(path: Path) -> Path:
    """The file that holds the weights of a run, a model folder or a checkpoint.

    Raises:
        ArtifactError: If there is none; what stands beside it is named.
    """
    if path.is_file() and path.suffix in _WEIGHTS:
        return path
    for place in _PLACES:
        if (path / place).is_file():
            return path / place
    if (path / "fold0").is_dir():
        raise ArtifactError(
            f"{path} holds the folds of a cross-validation, and one model is needed "
            f"here. Give one of them, such as {path / 'fold0'}."
        )
    if path.exists():
        wanted = ", ".join(_PLACES)
        raise ArtifactError(
            f"{path} holds no trained model: none of {wanted} is there. Give the "
            "folder of a finished run, a .ckpt, or a model folder."
        )
    raise ArtifactError(f"There is no model at {path}. {_models_beside(path)}")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running any code in it.

    Raises:
        ArtifactError: If it is damaged, or holds more than tensors and plain values.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ArtifactError(
            f"{path} can't be read as a checkpoint of tensors and plain values "
            f"({reason}). It is damaged, or it is not one of segx."
        ) from error
    if not isinstance(content, dict):
        raise ArtifactError(
            f"{path} holds a {type(content).__name__}, not a checkpoint."
        )
    return content


def _decoder_class(choice: Choice) -> tuple[type[Decoder], dict[str, Any]]:
    """The decoder that a config names, and its options, checked."""
    cls = class_named(choice.name, DECODERS, key="model.decoder", base=Decoder)
    options = typed_options(cls, choice, key="model.decoder", supplied=("features",))
    return cls, options


def _detector_class(choice: Choice) -> tuple[type[Detector], dict[str, Any]]:
    """The detector that a config names, and its options, checked."""
    key = "model.detector"
    cls = class_named(choice.name, DETECTORS, key=key, base=Detector)
    options = typed_options(cls, choice, key=key, supplied=("features", "classes"))
    return cls, options


def _check_detector(config: ModelConfig) -> None:
    """Refuse what no detector can be built of."""
    if config.detector is None:
        raise ConfigError("model.detector: detection needs one, such as FasterRCNN.")
    _detector_class(config.detector)
    try:
        check_encoder(config.encoder.name, config.encoder.output_stride)
    except ModelError as error:
        raise ConfigError(f"model.encoder: {error}") from error


def _read_folder(weights: Path) -> tuple[ModelSpec, dict[str, Tensor]]:
    try:
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{weights} can't be read: {error}.") from error
    return parse_spec(_folder_config(weights), source=weights), state


def _folder_config(weights: Path) -> object:
    config = weights.with_name("config.yaml")
    try:
        text = config.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ArtifactError(f"{weights} has no config.yaml beside it.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(
            f"{config} can't be read ({error}). Export the model again."
        ) from error
    return parse_yaml(text, name=str(config))


def _read_checkpoint(path: Path) -> tuple[ModelSpec, dict[str, Tensor]]:
    content = read_checkpoint(path)
    state, values = content.get("state_dict"), content.get("hyper_parameters")
    spec = values.get("spec") if isinstance(values, Mapping) else None
    if not _is_state(state) or spec is None:
        raise ArtifactError(
            f"{path} is a checkpoint, but not one that segx fit wrote: it has no model "
            "spec. Foreign weights can start an encoder: --model.init_from FILE."
        )
    return parse_spec(spec, source=path), network_state(state)


def _is_state(state: object) -> TypeGuard[Mapping[str, Tensor]]:
    return isinstance(state, Mapping) and all(
        isinstance(name, str) and isinstance(item, Tensor)
        for name, item in state.items()
    )


def network_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The network's tensors in a training state: the averaged ones if there are any."""
    averaged = _below(state, "average.module.")
    return averaged or _below(state, "network.")


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): item
        for name, item in state.items()
        if name.startswith(prefix)
    }


def _load_strictly(
    network: nn.Module, state: Mapping[str, Tensor], *, source: Path
) -> None:
    expected = network.state_dict()
    missing = sorted(expected.keys() - state.keys())
    surplus = sorted(state.keys() - expected.keys())
    unlike = [
        f"{name} {tuple(state[name].shape)} for {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & state.keys())
        if state[name].shape != expected[name].shape
    ]
    found = {"missing": missing, "surplus": surplus, "of another shape": unlike}
    faults = [
        f"{len(names)} {what} ({names[0]}, …)" for what, names in found.items() if names
    ]
    if faults:
        raise ArtifactError(
            f"{source} does not fit the network that it describes: {'; '.join(faults)} "
            f"of {len(expected)} tensors. It was written by another model or version."
        )
    network.load_state_dict(dict(state), strict=True)


def _models_beside(path: Path) -> str:
    """What else could have been meant: the trained models in the same folder."""
    if not path.parent.is_dir():
        return f"{path.parent} does not exist either."
    found = [
        str(item)
        for item in path.parent.iterdir()
        if item.suffix in _WEIGHTS or any((item / place).is_file() for place in _PLACES)
    ]
    return did_you_mean(str(path), found) if found else "Nor is there one beside it."
