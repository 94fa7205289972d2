"""Every key that a config may hold, with its type and its default."""

from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "AugmentConfig",
    "Choice",
    "CleaningConfig",
    "ColumnsConfig",
    "DataConfig",
    "EncoderConfig",
    "FitConfig",
    "HeadConfig",
    "InferenceConfig",
    "ModelConfig",
    "Section",
    "TrainingConfig",
]


class Section(BaseModel):
    """A frozen part of a config that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Choice(Section):
    """A class by name, with its options: ``FPN`` or ``{name: FPN, dropout: 0.1}``."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "options" not in value:
            options = {key: item for key, item in value.items() if key != "name"}
            return {"name": value.get("name"), "options": options}
        return value

    def as_yaml(self) -> dict[str, Any]:
        """The choice as a config writes it: the name and its options side by side."""
        return {"name": self.name, **self.options}


class EncoderConfig(Section):
    """Which Xception, how far it reduces, and where its weights come from."""

    name: str = "legacy_xception"
    output_stride: Literal[8, 16, 32] = 32
    weights: str | None = None
    """``imagenet``, a local .safetensors/.pth/run, or null for random weights."""


class HeadConfig(Section):
    """The head: dropout before the logits, and the hidden layer of a classifier."""

    dropout: float = Field(0.0, ge=0, lt=1)
    hidden: int = Field(256, gt=0)


class ModelConfig(Section):
    """The network and the loss that trains it."""

    encoder: EncoderConfig = EncoderConfig()
    decoder: Choice | None = Choice(name="UNet")
    head: HeadConfig = HeadConfig()
    loss: Choice = Choice(name="DiceCE")


class ColumnsConfig(Section):
    """Names of a manifest's columns; several masks or labels make it multilabel."""

    image: str = "image"
    mask: str | tuple[str, ...] = "mask"
    label: str | tuple[str, ...] = "label"
    patient: str = "patient"
    split: str = "split"


class AugmentConfig(Section):
    """How training images are varied."""

    preset: str = "standard"
    extra: tuple[Choice, ...] = ()
    """Further Albumentations transforms, by name, after the preset's."""


class DataConfig(Section):
    """Where the examples are and how they become batches."""

    root: Path | None = None
    manifest: Path | None = None
    columns: ColumnsConfig = ColumnsConfig()
    mask_kind: Literal["auto", "binary", "multiclass", "multilabel"] = "auto"
    classes: tuple[str, ...] | None = None
    ignore_index: int | None = Field(None, ge=0, le=255)
    channels: int | Literal["auto"] = "auto"
    axis: Literal[0, 1, 2] = 0
    """Axis of a volume's array along which its planes follow each other."""
    neighbours: int = Field(0, ge=0)
    """Planes on each side of a volume's plane that are read as channels ("2.5D")."""
    intensity: Literal[
        "auto", "range", "percentile", "scan_percentile", "scan_zscore"
    ] = "auto"
    """What becomes 0 and 1: the type's range, percentiles of the training images, or
    what is measured in each scan."""
    window: tuple[float, float] | None = None
    """Values that become 0 and 1, such as Hounsfield units; null: from the images."""
    validation_split: float = Field(0.1, gt=0, lt=1)
    test_split: float = Field(0.0, ge=0, lt=1)
    crop: tuple[int, int] | None = (256, 256)
    """Size of a training crop; of volumes, at most that of the median plane."""
    resize: tuple[int, int] | Literal["auto"] | None = "auto"
    """Size that all images are given first; auto: volumes of small planes only."""
    foreground_share: float = Field(0.5, ge=0, le=1)
    """Share of the training crops that are centred on a foreground pixel."""
    augment: AugmentConfig = AugmentConfig()
    batch_size: int = Field(8, gt=0)
    steps_per_epoch: int = Field(50, gt=0)
    """Least number of batches in an epoch: small sets repeat within it."""
    validation_cases: int | None = Field(None, gt=0)
    """Validate on at most so many cases (a fixed, seeded choice); null: all."""
    workers: int | Literal["auto"] = "auto"
    cache_mib: int = Field(2048, ge=0)
    """Memory for decoded images, so that a file is decoded once; 0: none."""

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        if self.window is not None and self.intensity != "auto":
            raise ValueError("a window is a scale by itself: leave intensity at auto")
        return self

    @field_validator("window")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not -inf < value[0] < value[1] < inf:
            raise ValueError("the first number must be below the second, both finite")
        return value

    @field_validator("crop", "resize", mode="before")
    @classmethod
    def _square(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int) else value


class TrainingConfig(Section):
    """How the weights are learnt, apart from what Lightning's Trainer is told."""

    optimizer: Choice = Choice(
        name="AdamW", options={"lr": 0.002, "weight_decay": 0.01}
    )
    warmup_steps: int = Field(10, ge=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    ema_decay: float | None = Field(None, ge=0, lt=1)
    """Average the weights; it needs many more steps than 1 / (1 - decay)."""
    monitor: str = "val/dice"
    early_stopping: int | None = Field(15, gt=0)
    """Stop after so many validations without a better `monitor`; null: never."""
    overlays: int = Field(4, ge=0)
    """Number of validation cases drawn after each validation."""
    logger: Literal["csv", "tensorboard"] = "csv"
    channels_last: bool = True


class CleaningConfig(Section):
    """What is mended in whole masks before they are written; by default nothing."""

    fill_holes: bool = False
    """Give a hole to the class that encloses it."""
    largest: bool = False
    """Keep only the largest component of each class."""
    min_size_px: int | None = Field(None, ge=0)
    """Components of fewer pixels become background."""
    min_size_mm: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Components of less mm² (of volumes, mm³) become background."""
    classes: tuple[str, ...] | None = None
    """Names of the classes that this is done to; null: all."""


class InferenceConfig(Section):
    """The tile plan and the cleaning of masks that the model is stored with."""

    tile: Annotated[int, Field(gt=0)] | Literal["auto"] = "auto"
    """Side in pixels; auto: chosen for each scan, so that least is computed twice."""
    overlap: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = "auto"
    """Least share of a tile that its neighbour covers too."""
    blend: Literal["gaussian", "hann"] = "hann"
    batch_size: int = Field(1, gt=0)
    cleaning: CleaningConfig = CleaningConfig()


class FitConfig(Section):
    """A whole config: what `segx fit` is told and what a run folder keeps."""

    task: Literal["segmentation", "classification", "multitask"] = "segmentation"
    seed: int = Field(0, ge=0)
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()
    trainer: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of pytorch_lightning.Trainer."""
