"""What a trained model is: plain values, from which it is built and used."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from segx.config import Choice, EncoderConfig, HeadConfig, InferenceConfig
from segx.labels import Labels
from segx.masks.cleaning import Cleaning
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

    @property
    def cleaning(self) -> Cleaning:
        """What is mended in whole masks before they are written."""
        return Cleaning(**self.inference.cleaning.model_dump())

    @model_validator(mode="after")
    def _cleans_classes_that_exist(self) -> Self:
        """A name that is none of the classes is refused before the first step."""
        if self.labels is not None:
            self.cleaning.class_ids(self.labels)
        return self
