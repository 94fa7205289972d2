"""What a trained model is: plain values, from which it is built and used."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from segx.config import Choice, EncoderConfig, HeadConfig, InferenceConfig
from segx.labels import Labels
from segx.scans.intensity import Intensity

__all__ = ["ModelSpec"]


class ModelSpec(BaseModel):
    """All that is needed to build a network and to use it on a scan; plain values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["segmentation", "classification"]
    encoder: EncoderConfig
    decoder: Choice | None
    head: HeadConfig
    in_channels: int
    """Channels that the network reads, those of neighbouring planes included."""
    axis: int = 0
    """Axis of a volume's array along which its planes follow each other."""
    neighbours: int = 0
    """Planes on each side that are read as further channels ("2.5D")."""
    labels: Labels | None
    """What the mask's values mean; None for a classifier."""
    class_names: tuple[str, ...] | None
    """Names of a classifier's classes; None for a segmenter."""
    intensity: Intensity
    resize: tuple[int, int] | None
    """Rows and columns that every image is resized to first."""
    inference: InferenceConfig
