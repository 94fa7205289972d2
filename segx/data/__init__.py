"""How training examples are made: from files on disk to batches."""

from segx.data.augment import PRESETS, Augment
from segx.data.case import Case, Layout
from segx.data.datamodule import SegxDataModule
from segx.data.dataset import Batch, TrainingCrops, WholeCases
from segx.data.defects import Defect, DefectsError
from segx.data.layouts import read_layout
from segx.data.splits import Splits, split
from segx.data.survey import Survey, survey

__all__ = [
    "PRESETS",
    "Augment",
    "Batch",
    "Case",
    "Defect",
    "DefectsError",
    "Layout",
    "SegxDataModule",
    "Splits",
    "Survey",
    "TrainingCrops",
    "WholeCases",
    "read_layout",
    "split",
    "survey",
]
