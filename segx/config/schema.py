"""Every key that a config may hold, with its type and its default."""

import re
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

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,  # what `segx fit --help` says of a key
    )


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
    """Which Xception, and how far it reduces."""

    name: str = "legacy_xception"
    """legacy_xception, xception41, 65, 71, 41p, 65p or, for trials, xception_narrow."""
    output_stride: Literal[8, 16, 32] = 32
    """16 or 8 keep deep features finer (not legacy_xception)."""

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, value: Any) -> Any:
        """Their models say where the weights came from, which is of no use any more."""
        if isinstance(value, dict) and "weights" in value:
            return {key: item for key, item in value.items() if key != "weights"}
        return value


class HeadConfig(Section):
    """The head: dropout before the logits, and the hidden layer of a classifier."""

    dropout: float = Field(0.0, ge=0, lt=1)
    """Share that is dropped before the logits."""
    hidden: int = Field(256, gt=0)
    """Width of the hidden layer of a classifier."""


class ModelConfig(Section):
    """The network, what it starts from, and the loss that trains it."""

    encoder: EncoderConfig = EncoderConfig()
    decoder: Choice | None = Choice(name="UNet")
    """A name that `segx decoders` lists; null for a classifier or a detector."""
    detector: Choice | None = None
    """FasterRCNN or RetinaNet, where boxes are learnt; else null."""
    head: HeadConfig = HeadConfig()
    init_from: str | None = None
    """``imagenet``, a run, a model folder, a .ckpt, or a state dict of timm
    (.safetensors, .pth); null: random weights."""
    init_scope: Literal["encoder", "all"] = "encoder"
    """all: decoder and heads too, as far as their names and shapes match."""
    loss: Choice = Choice(name="DiceCE")
    """DiceCE, Dice, CE, BCE, Focal, Tversky or Lovasz; for a classifier CE; Multitask
    for masks and classes; Detector for a detector, which has its own."""

    @model_validator(mode="before")
    @classmethod
    def _from_earlier_versions(cls, value: Any) -> Any:
        """Before there was `init_from`, the encoder had a key ``weights``."""
        encoder = value.get("encoder") if isinstance(value, dict) else None
        weights = encoder.get("weights") if isinstance(encoder, dict) else None
        if weights is None or value.get("init_from") is not None:
            return value
        return {**value, "init_from": weights}


class ColumnsConfig(Section):
    """Names of a manifest's columns; several masks or labels make it multilabel."""

    image: str = "image"
    """Path, name or stem of the image."""
    mask: str | tuple[str, ...] = "mask"
    """The same of its mask; a list of columns for multilabel masks."""
    label: str | tuple[str, ...] = "label"
    """Class of the whole image; a list of columns where it may be of several."""
    patient: str = "patient"
    """Whose image it is: patients are never split."""
    split: str = "split"
    """train, val or test."""


class AugmentConfig(Section):
    """How training images are varied."""

    preset: str = "light"
    """none, light, standard, microscopy or radiograph."""
    extra: tuple[Choice, ...] = ()
    """Further Albumentations transforms, by name, after the preset's."""


class DataConfig(Section):
    """Where the examples are and how they become batches."""

    root: Path | None = None
    """Folder of the data set."""
    manifest: Path | None = None
    """A CSV file instead of folders."""
    columns: ColumnsConfig = ColumnsConfig()
    boxes: Path | None = None
    """Where a detector's boxes come from: ``instances``, or the name of another folder
    beside images/, whose masks give each object its own id; or a file below the root,
    or one of that name in the folder of each split: COCO's .json, or a .csv with the
    columns image, left, top, right, bottom and class, in pixels (a row with nothing
    but an image says that it holds no object)."""
    mask_kind: Literal["auto", "binary", "multiclass", "multilabel"] = "auto"
    """auto, binary, multiclass or multilabel."""
    classes: tuple[str, ...] | None = None
    """Names, background first; null: background, class_1, …"""
    ignore_index: int | None = Field(None, ge=0, le=255)
    """Mask value that counts neither in the loss nor in a metric."""
    channels: int | Literal["auto"] = "auto"
    """auto: as the images have; 3 makes grey images RGB."""
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
    """Share of the training cases that is drawn where no validation cases are given."""
    test_split: float = Field(0.0, ge=0, lt=1)
    """The same for test cases."""
    patient_pattern: str | None = None
    """A regular expression whose group ``patient``, or whose first group, is the
    patient in every image's file name."""
    folds: int | None = Field(None, ge=2)
    """Parts of a cross-validation; `segx cv` sets it, and `fold`."""
    fold: int | None = Field(None, ge=0)
    """The part that is held out as the test split, from 0."""
    crop: tuple[int, int] | None = (192, 192)
    """Size of a training crop; of volumes, at most that of the median plane; null:
    whole images. Not used where whole images are classified."""
    resize: tuple[int, int] | Literal["auto"] | None = "auto"
    """Size that all images are given first; auto: volumes of small planes only; null:
    none. Where whole images are classified, both mean 224x224."""
    foreground_share: float = Field(0.5, ge=0, le=1)
    """Share of the training crops that are centred on a foreground pixel, or object."""
    augment: AugmentConfig = AugmentConfig()
    batch_size: int = Field(8, gt=0)
    """Crops, or images for a classifier, in a training step."""
    steps_per_epoch: int = Field(50, gt=0)
    """Least number of batches in an epoch: small sets repeat within it."""
    validation_cases: int | None = Field(None, gt=0)
    """Validate on at most so many cases (a fixed, seeded choice); null: all."""
    workers: int | Literal["auto"] = "auto"
    """Processes that load; auto leaves the processor to training."""
    cache_mib: int = Field(2048, ge=0)
    """Memory for decoded images, so that a file is decoded once; 0: none."""

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        if self.window is not None and self.intensity != "auto":
            raise ValueError("a window is a scale by itself: leave intensity at auto")
        return self

    @model_validator(mode="after")
    def _possible_numbers(self) -> Self:
        for name in ("crop", "resize"):
            size = getattr(self, name)
            if isinstance(size, tuple) and min(size) < 1:
                raise ValueError(f"{name} {list(size)}: rows and columns are 1 or more")
        for name, least in (("channels", 1), ("workers", 0)):
            number = getattr(self, name)
            if isinstance(number, int) and number < least:
                raise ValueError(f"{name} {number}: {least} or more, or auto")
        return self

    @model_validator(mode="after")
    def _fold_of_folds(self) -> Self:
        if self.fold is not None and self.fold >= (self.folds or 0):
            raise ValueError(
                f"fold {self.fold} is not one of {self.folds} folds, from 0"
            )
        return self

    @field_validator("patient_pattern")
    @classmethod
    def _has_group(cls, value: str | None) -> str | None:
        try:
            groups = 1 if value is None else re.compile(value).groups
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        if not groups:
            raise ValueError("needs a group in parentheses around the patient")
        return value

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
    """AdamW, Adam, SGD, RAdam, NAdam or torch.optim.NAME."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """The learning rate of each encoder stage is so many times that of the next deeper
    one; the decoder and the heads have the full rate."""
    freeze_encoder: Annotated[int, Field(ge=0)] | Literal["all"] = 0
    """Epochs in which the encoder keeps its weights and its batch-norm statistics."""
    warmup_steps: int = Field(10, ge=0)
    """Steps over which the learning rate rises."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Then it falls to 0 by half a cosine, or stays."""
    ema_decay: float | None = Field(None, ge=0, lt=1)
    """Average the weights; it needs many more steps than 1 / (1 - decay)."""
    monitor: str = "val/dice"
    """What the best checkpoint is chosen by."""
    early_stopping: int | None = Field(15, gt=0)
    """Stop after so many validations without a better `monitor`; null: never."""
    overlays: int = Field(4, ge=0)
    """Number of validation cases drawn after each validation."""
    logger: Literal["csv", "tensorboard"] = "csv"
    """csv, or tensorboard as well."""
    channels_last: bool = True
    """Memory layout; faster on most machines."""


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
    """Weights of a tile's pixels: hann or gaussian."""
    batch_size: int = Field(1, gt=0)
    """Tiles that run at once."""
    score_threshold: float = Field(0.5, ge=0, le=1)
    """Least score of a box that a detector's prediction keeps."""
    cleaning: CleaningConfig = CleaningConfig()


class FitConfig(Section):
    """A whole config: what `segx fit` is told and what a run folder keeps."""

    task: Literal["segmentation", "classification", "multitask", "detection"] = (
        "segmentation"
    )
    """segmentation, classification, multitask (both with one encoder) or detection."""
    seed: int = Field(0, ge=0)
    """Of splits, weights, crops and augmentation."""
    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    inference: InferenceConfig = InferenceConfig()
    trainer: dict[str, Any] = Field(default_factory=dict)
    """Arguments of pytorch_lightning.Trainer, such as --trainer.max_epochs 20."""
