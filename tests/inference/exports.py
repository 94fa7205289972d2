"""Small trained models, as ONNX exports them: shared by the tests of the engines."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from segx.artifact import Model, build_network, save_model
from segx.config import Choice, EncoderConfig, HeadConfig, InferenceConfig
from segx.labels import Labels
from segx.models.network import Network
from segx.scans.intensity import Intensity
from segx.spec import ModelSpec

THREE = Labels("multiclass", ("background", "cytoplasm", "nucleus"))


def spec(
    labels: Labels | None = THREE, *, decoder: str = "UNet", tile: int = 64
) -> ModelSpec:
    """A model on the narrow encoder; without labels, a classifier."""
    return ModelSpec(
        task="segmentation" if labels else "classification",
        encoder=EncoderConfig(name="xception_narrow"),
        decoder=Choice(name=decoder) if labels else None,
        head=HeadConfig(hidden=8),
        in_channels=3,
        labels=labels,
        class_names=None if labels else ("benign", "malignant"),
        intensity=Intensity.for_dtype("uint8", 3, mean=0.5, std=0.5),
        resize=None if labels else (64, 64),
        inference=InferenceConfig(tile=tile),
    )


def saved_model(folder: Path, described: ModelSpec) -> Model:
    """A model with random weights, the same ones each time, written to a folder.

    Its logits spread as those of trained weights do: random ones are nearly constant,
    and rounding would flip more pixels than it does in practice.
    """
    torch.manual_seed(0)
    network = build_network(described).eval()
    if isinstance(network, Network) and network.mask_head is not None:
        with torch.no_grad():
            network.mask_head[1].weight.mul_(4)
    save_model(Model(network, described, folder), folder)
    return Model(network, described, folder / "weights.safetensors")


def tiles(shape: tuple[int, int, int, int], *, seed: int = 0) -> NDArray[np.float32]:
    """Noise, normalised."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)
