"""Weights for an encoder to start from: timm's hub, a file, or a model of our own."""

import logging
from collections.abc import Mapping
from pathlib import Path

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from segx.artifact import find_weights, network_state, read_checkpoint
from segx.atomic import verify_digest
from segx.errors import ArtifactError, ModelError
from segx.models.encoder import XceptionEncoder, adapt_state_dict

__all__ = ["IMAGENET", "load_encoder_weights"]

logger = logging.getLogger(__name__)

IMAGENET = "imagenet"
"""The source that stands for timm's ImageNet weights of the same encoder."""

_STATE_DICTS = (".pth", ".pt", ".bin")


def load_encoder_weights(encoder: XceptionEncoder, source: str) -> int:
    """Load weights into an encoder, all of them or none.

    Args:
        encoder: The encoder; its first convolution is adapted to its channels.
        source: ``imagenet``, a ``.safetensors`` or ``.pth`` state dict of a timm
            classifier, or a run, checkpoint or model folder of segx.

    Returns:
        Number of tensors loaded.

    Raises:
        ArtifactError: If the source can't be had or read, or holds another encoder.
    """
    state = _from_hub(encoder.name) if source == IMAGENET else _from_disk(Path(source))
    try:
        adapted = adapt_state_dict(encoder, state)
    except ModelError as error:
        raise ArtifactError(f"model.encoder.weights {source}: {error}") from error
    encoder.load_state_dict(adapted, strict=True)
    logger.info(
        "Encoder %s: %d tensors loaded from %s; %d of the source were not needed",
        encoder.name,
        len(adapted),
        source,
        max(0, len(state) - len(adapted)),
    )
    return len(adapted)


def _from_hub(name: str) -> Mapping[str, Tensor]:
    """ImageNet weights by timm's hub, or its cache on this machine."""
    if not timm.is_model_pretrained(name):
        raise ArtifactError(
            f"{name} has no ImageNet weights. Take legacy_xception or xception41, or "
            "leave model.encoder.weights null."
        )
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(
            f"The ImageNet weights of {name} can't be downloaded here ({reason}). "
            "Without a network: fetch the file elsewhere and pass "
            "--model.encoder.weights FILE, or start from random weights: "
            "--model.encoder.weights null"
        ) from error


def _from_disk(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a state dict, or of the encoder of one of our models."""
    if path.suffix in _STATE_DICTS and path.is_file():
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
