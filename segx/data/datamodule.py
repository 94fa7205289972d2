"""A config's data section as loaders for training, validation and test."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, DistributedSampler, Sampler

from segx.config import DataConfig, FitConfig
from segx.data.augment import Augment
from segx.data.case import Case, Task
from segx.data.check import check_data
from segx.data.dataset import (
    Cropping,
    Sample,
    TrainingCrops,
    WholeCases,
)
from segx.data.demands import CROPPED
from segx.data.loading import batches_of, count_workers
from segx.data.planes import enlarged, limited_crop, padded_pixels
from segx.data.reader import CaseReader
from segx.data.sampler import ALONE, EpochSampler, Share
from segx.data.splits_file import check_splits, write_splits
from segx.data.store import CaseStore
from segx.errors import DataError
from segx.geometry import Extent
from segx.labels import Labels
from segx.models.encoder import encoder_normalisation
from segx.scans import Intensity

__all__ = ["CLASSIFIED_EXTENT", "SegxDataModule"]

CLASSIFIED_EXTENT = Extent(224, 224)
"""Size of the images for classification where `data.resize` is not set."""

_MIB = 2**20


class SegxDataModule(pl.LightningDataModule):
    """The data of a run, looked through and split when it is made.

    Training yields varied crops in batches; an epoch has at least
    `data.steps_per_epoch` of them. Validation and test yield whole cases one by one in
    a fixed order, with masks at their own size; for classification, in batches. Of
    volumes, training draws planes, and the planes of a whole one come in order.
    `Batch.case` counts the cases of `splits.train`, `splits.val` or `splits.test`.

    Args:
        data: The data section of a config.
        task: What is learnt.
        seed: Decides splits, order, crops and variation.
        mean: Mean that the encoder expects, on the scale 0 … 1; one value, or one a
            channel.
        std: Standard deviation that the encoder expects, likewise.

    Attributes:
        layout: The cases as they were found.
        splits: The cases by split.
        survey: What the cases hold.
        val_cases: The validation cases that are used, at most `data.validation_cases`.
        labels: What mask values mean; None for classification.
        class_names: Names of the classes of the masks, of the boxes without the
            background or, without both, of images.
        class_labels: What the labels of whole images mean; None for segmentation.
        boxes: The true objects of all cases; None where no boxes are learnt.
        channels: Channels that the network reads, with those of neighbouring planes.
        intensity: Turns stored values into what the encoder reads.
        resize: Size that all images are given, in training as in prediction.

    Raises:
        DataError: If the data set can't be used as the config asks, or lacks what one
            of two tasks is learnt from.
        ConfigError: If the augmentation can't be built.
    """

    def __init__(
        self,
        data: DataConfig,
        *,
        task: Task,
        seed: int,
        mean: float | Sequence[float],
        std: float | Sequence[float],
        recorded: Path | None = None,
    ) -> None:
        super().__init__()
        self._data, self._task, self._seed = data, task, seed
        checked = check_data(data, task=task, seed=seed, recorded=recorded)
        self.layout = checked.layout
        self.splits, self.survey = checked.refuse_defects()
        checked.log_warnings()
        self.val_cases = _drawn(data.validation_cases, self.splits.val, seed=seed)
        self.labels = self.survey.labels
        self.class_labels = self._class_labels()
        self.boxes = checked.boxes
        self.class_names = self._class_names()
        self.channels = self.survey.channels * (2 * data.neighbours + 1)
        scale = self.survey.intensity(mean=mean, std=std)
        self.intensity = scale.for_neighbours(data.neighbours)
        self._scales = self._scan_scales()
        self.resize = self._resize()
        budget = data.cache_mib * _MIB
        self._train_store = self._store(self.splits.train, budget=budget)
        budget -= self._train_store.kept_bytes
        self._val_store = self._store(self.val_cases, budget=budget, whole=True)
        self._train_set = self._training_set()
        self._start = (0, 0)

    @classmethod
    def from_config(cls, config: FitConfig, *, recorded: Path | None = None) -> Self:
        """The data of a run, scaled as the encoder that it names expects.

        Args:
            config: The run's config.
            recorded: Its splits.csv, once it is written: the splits are taken from
                there, for another version may draw others.
        """
        mean, std = encoder_normalisation(config.model.encoder.name)
        return cls(
            config.data,
            task=config.task,
            seed=config.seed,
            mean=mean,
            std=std,
            recorded=recorded,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Number of training batches in an epoch."""
        return self._sampler().steps

    @property
    def pixels_per_step(self) -> int:
        """Pixels of a training batch."""
        return self._data.batch_size * self._cost(self._example_extent)

    @property
    def validation_pixels(self) -> int:
        """Pixels of all planes of the validation images that are used."""
        store = self._val_store
        return sum(
            self._cost(store.extent(index)) * store.planes(index)
            for index in range(len(store))
        )

    def validation_batches(self, share: float) -> int:
        """Batches that hold a share of the validation cases: whole ones, at least one.

        Args:
            share: Of all, in (0, 1].
        """
        planes = self.planes_of(self.val_cases)
        fitting = max(1, int(share * len(planes)))
        return -(-sum(planes[:fitting]) // self._whole_batch)

    def planes_of(self, cases: Sequence[Case]) -> tuple[int, ...]:
        """Number of planes of each case."""
        return tuple(self.survey.planes[case.id] for case in cases)

    @property
    def share(self) -> Share:
        """The part of the work that this process does in the trainer it is given to."""
        trainer = self.trainer
        return Share(trainer.global_rank, trainer.world_size) if trainer else ALONE

    @property
    def cases_in_hand(self) -> list[str]:
        """Training images that are being made into examples now."""
        return self._train_set.in_hand.paths()

    def start_at(self, epoch: int, step: int) -> None:
        """Let training go on with batch number `step` of an epoch."""
        self._start = (epoch, step)

    def write_splits(self, path: Path) -> None:
        """Write down which case stands in which split, as CSV."""
        write_splits(path, self.splits, root=self.layout.root)

    def check_splits(self, path: Path) -> None:
        """Refuse a data set that has changed since `write_splits` wrote this file.

        Raises:
            DefectsError: With each change.
        """
        check_splits(path, self.splits, root=self.layout.root)

    def train_dataloader(self) -> DataLoader[Sample]:
        """Batches of crops; Lightning tells the sampler the epoch."""
        return batches_of(
            self._train_set,
            size=self._data.batch_size,
            workers=count_workers(self._data.workers),
            sampler=self._sampler(),
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """The validation cases, in the order of `val_cases`."""
        number = {case.id: index for index, case in enumerate(self.splits.val)}
        numbers = [number[case.id] for case in self.val_cases]
        return self._whole_loader(self._val_store, numbers)

    def test_dataloader(self) -> DataLoader[Sample]:
        """The test cases, in the order of `splits.test`.

        Raises:
            DataError: If the data set has none.
        """
        if not self.splits.test:
            raise DataError(
                f"{self.layout.root} has no test cases. Put some in test/, or set "
                "data.test_split before training."
            )
        store = self._store(self.splits.test, budget=0, whole=True)
        return self._whole_loader(store, range(len(store)))

    def _sampler(self) -> EpochSampler:
        """This process's part of every epoch."""
        sampler = EpochSampler(
            len(self.splits.train),
            batch_size=self._data.batch_size,
            least_steps=self._data.steps_per_epoch,
            seed=self._seed,
            planes=sum(self.planes_of(self.splits.train)),
            share=self.share,
        )
        sampler.start_at(*self._start)
        return sampler

    def _whole_loader(
        self, store: CaseStore, numbers: Sequence[int]
    ) -> DataLoader[Sample]:
        """Whole cases; where the processor predicts, it may as well load them.

        Several processes take turns. The last turn is filled with repeats, so that none
        waits for the others in vain; metrics count a case once.
        """
        cases = WholeCases(
            store,
            intensity=self.intensity,
            scales=self._scales,
            numbers=numbers,
            objects=self.boxes.by_case if self.boxes else None,
        )
        rank, world = self.share
        turns: Sampler[Any] = DistributedSampler(cases, world, rank, shuffle=False)
        has_gpu = torch.cuda.is_available()
        return batches_of(
            cases,
            size=self._whole_batch,
            workers=count_workers(self._data.workers) if has_gpu else 0,
            sampler=turns if world > 1 else None,
        )

    @property
    def _whole_batch(self) -> int:
        """Whole cases, or planes of them, in a batch."""
        return self._data.batch_size if self._task == "classification" else 1

    def _store(
        self, cases: Sequence[Case], *, budget: int, whole: bool = False
    ) -> CaseStore:
        """Cases as arrays; whole ones are judged by masks at their own size."""
        reader = CaseReader(
            channels=self.survey.channels,
            dtype=np.dtype(self.survey.dtype),
            mask_values=self.survey.mask_values,
            resize=self.resize,
            resize_masks=not whole,
            axis=self._data.axis,
        )
        return CaseStore(
            cases,
            reader,
            extents=self.survey.extents,
            planes=self.survey.planes,
            neighbours=self._data.neighbours,
            budget=budget,
        )

    def _training_set(self) -> TrainingCrops:
        """Crops of the training cases; for classification, the images whole."""
        crops = self._task in CROPPED and self._data.crop is not None
        example = self._example_extent
        augment = Augment(
            self._data.augment,
            channels=self.channels,
            extent=example,
            for_boxes=self.boxes is not None,
        )
        return TrainingCrops(
            self._train_store,
            labels=self.labels,
            intensity=self.intensity,
            scales=self._scales,
            cropping=Cropping(example if crops else None, self._data.foreground_share),
            augment=augment,
            seed=self._seed,
            objects=self.boxes.by_case if self.boxes else None,
        )

    @cached_property
    def _example_extent(self) -> Extent:
        """Size of a training example."""
        store = self._train_store
        extents = [store.extent(index) for index in range(len(store))]
        if self._task in CROPPED and self._data.crop is not None:
            crop = Extent(*self._data.crop)
            if not self._has_volumes:
                return crop
            return limited_crop(crop, extents, batch_size=self._data.batch_size)
        return max(extents, key=lambda size: abs(size.rows - size.cols))

    def _cost(self, extent: Extent) -> int:
        """Pixels that a network computes."""
        return padded_pixels(extent) if self._has_volumes else extent.pixels

    @cached_property
    def _has_volumes(self) -> bool:
        """Whether any image has more than one plane."""
        return max(self.survey.planes.values()) > 1

    def _scan_scales(self) -> dict[str, Intensity]:
        """The scale of each case, where each has its own."""
        images = {case.id: case.image for case in self.layout.cases}
        return {
            name: self.intensity.with_range(low, high, source=images[name])
            for name, (low, high) in self.survey.scan_ranges.items()
        }

    def _resize(self) -> Extent | None:
        """Size that images are given before anything else."""
        if isinstance(self._data.resize, tuple):
            return Extent(*self._data.resize)
        if self._task not in CROPPED:
            return CLASSIFIED_EXTENT
        if self._data.resize is None or not self._has_volumes:
            return None
        return enlarged([self.survey.extents[case.id] for case in self.splits.train])

    def _class_labels(self) -> Labels | None:
        """What the labels of images mean, where they are told apart."""
        if self._task in CROPPED:
            return None
        return self.layout.class_labels

    def _class_names(self) -> tuple[str, ...]:
        """Names of what is told apart."""
        if self.boxes is not None:
            return self.boxes.names
        return (self.labels.names if self.labels else self.layout.class_names) or ()


def _drawn(
    count: int | None, cases: tuple[Case, ...], *, seed: int
) -> tuple[Case, ...]:
    """At most so many cases, in an order that is drawn: a budget may end it sooner."""
    order = np.random.default_rng(seed).permutation(len(cases))
    return tuple(cases[index] for index in order[:count].tolist())
