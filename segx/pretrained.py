"""Weights to start from: timm's hub, a file, or a model of our own."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from segx.artifact import find_weights, network_state, read_checkpoint
from segx.atomic import verify_digest
from segx.errors import ArtifactError, ModelError
from segx.models.detection import DetectionNetwork
from segx.models.encoder import XceptionEncoder, adapt_state_dict
from segx.models.network import Network

__all__ = [
    "IMAGENET",
    "Transfer",
    "check_source",
    "load_encoder_weights",
    "load_weights",
]

logger = logging.getLogger(__name__)

IMAGENET = "imagenet"
"""The source that stands for timm's ImageNet weights of the same encoder."""

_STATE_DICTS = (".pth", ".pt", ".bin")


@dataclass(frozen=True)
class Transfer:
    """What a network took from a source.

    Args:
        source: Where the weights came from.
        loaded: Tensors of the network that were loaded.
        random: Tensors of the network that keep the values that they were made with.
        unused: Tensors of the source that were not needed.
    """

    source: str
    loaded: tuple[str, ...]
    random: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{_counted(self.loaded)} loaded from {self.source}"
        if self.random:
            text += f"; {_counted(self.random)} start afresh"
        if self.unused:
            text += f"; {_counted(self.unused)} of the source not needed"
        return text


def check_source(source: str) -> None:
    """Refuse a source that is not there, before any data are read.

    Raises:
        ArtifactError: With what stands beside it.
    """
    path = Path(source)
    if source != IMAGENET and not _is_state_dict(path):
        find_weights(path)


def load_weights(
    network: Network | DetectionNetwork, source: str, *, whole: bool = False
) -> Transfer:
    """Start a network from the weights of another model.

    The encoder is loaded whole, its first convolution adapted to the network's
    channels, or not at all. Of what stands on it, the tensors of equal name and shape
    are: so a segmenter can start from a classifier, from another number of classes, or
    from another decoder.

    Args:
        network: The network.
        source: ``imagenet``, a ``.safetensors`` or ``.pth`` state dict of a timm
            classifier, or a run, checkpoint or model folder of segx.
        whole: Whether decoder and heads are loaded too, as far as they match.

    Raises:
        ArtifactError: If the source can't be had or read, or holds another encoder.
    """
    state = _source_state(network.encoder.name, source)
    found = {
        f"encoder.{name}": tensor
        for name, tensor in _adapted(network.encoder, state, source).items()
    }
    wanted = network.state_dict()
    if whole:
        found |= {
            name: tensor
            for name, tensor in state.items()
            if name in wanted
            and not name.startswith("encoder.")
            and tensor.shape == wanted[name].shape
        }
    network.load_state_dict(found, strict=False)
    transfer = Transfer(
        source,
        loaded=tuple(found),
        random=tuple(name for name in wanted if name not in found),
        unused=_unused(state, found),
    )
    logger.info("%s", transfer)
    return transfer


def load_encoder_weights(encoder: XceptionEncoder, source: str) -> int:
    """Load weights into an encoder alone, all of them or none.

    Args:
        encoder: The encoder; its first convolution is adapted to its channels.
        source: As for `load_weights`.

    Returns:
        Number of tensors loaded.

    Raises:
        ArtifactError: If the source can't be had or read, or holds another encoder.
    """
    adapted = _adapted(encoder, _source_state(encoder.name, source), source)
    encoder.load_state_dict(adapted, strict=True)
    return len(adapted)


def _adapted(
    encoder: XceptionEncoder, state: Mapping[str, Tensor], source: str
) -> dict[str, Tensor]:
    """An encoder's tensors, all of them."""
    try:
        return adapt_state_dict(encoder, state)
    except ModelError as error:
        raise ArtifactError(
            f"model.init_from {source}: {error} The source holds {len(state)} tensors, "
            f"the first of which are {', '.join(list(state)[:3])}."
        ) from error


def _unused(state: Mapping[str, Tensor], found: Iterable[str]) -> tuple[str, ...]:
    """Tensors of a source that no tensor of the network came from."""
    ours = "encoder.body."
    stem = next(name for name in found if name.startswith(ours)).removeprefix(ours)
    # Those of an encoder stand under some prefix, such as ``module.``.
    theirs = next(name for name in state if name.endswith(stem)).removesuffix(stem)
    taken = {
        theirs + name.removeprefix(ours) if name.startswith(ours) else name
        for name in found
    }
    return tuple(name for name in state if name not in taken)


def _is_state_dict(path: Path) -> bool:
    return path.suffix in _STATE_DICTS and path.is_file()


def _counted(names: tuple[str, ...]) -> str:
    """How many tensors, also of each part: 98 tensors (decoder 96, mask_head 2)."""
    parts = Counter(name.partition(".")[0] for name in names)
    shown = ", ".join(f"{part} {count}" for part, count in parts.most_common(4))
    return f"{len(names)} tensors ({shown}{', …' if len(parts) > 4 else ''})"


def _source_state(encoder_name: str, source: str) -> Mapping[str, Tensor]:
    if source == IMAGENET:
        return _from_hub(encoder_name)
    return _from_disk(Path(source))


def _from_hub(name: str) -> Mapping[str, Tensor]:
    """ImageNet weights by timm's hub, or its cache on this machine."""
    if not timm.is_model_pretrained(name):
        raise ArtifactError(
            f"{name} has no ImageNet weights. Take legacy_xception or xception41, or "
            "leave model.init_from null."
        )
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(
            f"The ImageNet weights of {name} can't be downloaded here ({reason}). "
            "Without a network: fetch the file elsewhere and pass --model.init_from "
            "FILE, or start from random weights: --model.init_from null"
        ) from error


def _from_disk(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a state dict, or of one of our networks."""
    if _is_state_dict(path):
        content = read_checkpoint(path)
        inner = content.get("state_dict", content)
        return {key: item for key, item in inner.items() if isinstance(item, Tensor)}
    weights = find_weights(path)
    verify_digest(weights)
    if weights.suffix == ".safetensors":
        try:
            return load_file(weights)
        except (OSError, SafetensorError) as error:
            raise ArtifactError(f"{weights} can't be read: {error}.") from error
    state = read_checkpoint(weights).get("state_dict", {})
    return network_state(state) or state
