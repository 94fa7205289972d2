"""What a trained model is: plain values, from which it is built and used."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from segx.config import Choice, EncoderConfig, HeadConfig, InferenceConfig
from segx.errors import ArtifactError
from segx.labels import ClassKind, Labels
from segx.masks.calibration import Calibration
from segx.masks.cleaning import Cleaning
from segx.scans.intensity import Intensity

__all__ = ["ModelSpec", "parse_spec"]


class ModelSpec(BaseModel):
    """All that is needed to build a network and to use it on a scan; plain values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Literal["segmentation", "classification", "multitask", "detection"]
    encoder: EncoderConfig
    decoder: Choice | None
    detector: Choice | None = None
    """What finds boxes; None where there are none."""
    head: HeadConfig
    in_channels: int
    """Channels that the network reads, those of neighbouring planes included."""
    axis: int = 0
    """Axis of a volume's array along which its planes follow each other."""
    neighbours: int = 0
    """Planes on each side that are read as further channels ("2.5D")."""
    labels: Labels | None
    """What the ids of masks, or of the classes of boxes, mean; None where there are
    neither."""
    class_names: tuple[str, ...] | None
    """Names of the classes of whole images; None for a segmenter."""
    class_kind: ClassKind = "multiclass"
    """Whether an image is of one class, or may be of several."""
    intensity: Intensity
    resize: tuple[int, int] | None
    """Rows and columns that every image is resized to first."""
    inference: InferenceConfig
    calibration: Calibration | None = None
    """What `segx calibrate` found; None before it was called."""

    @property
    def class_labels(self) -> Labels | None:
        """What the logits of whole images mean; None for a segmenter."""
        if self.class_names is None:
            return None
        return Labels(self.class_kind, self.class_names)

    @property
    def plane_channels(self) -> int:
        """Channels of one plane, its neighbours not counted."""
        return self.in_channels // (2 * self.neighbours + 1)

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


def parse_spec(values: object, *, source: Path) -> ModelSpec:
    """Read a spec that was stored with a model.

    Args:
        values: What was stored.
        source: The file that an error names.

    Raises:
        ArtifactError: If it describes no model; the first fault is named.
    """
    try:
        return ModelSpec.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(
            f"{source} describes no model that this segx can build: {where}: "
            f"{first['msg']} ({error.error_count()} such places)."
        ) from error
