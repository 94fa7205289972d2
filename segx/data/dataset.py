"""From cases to tensors: varied crops to train on, whole cases to be judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from segx.boxes import Detections
from segx.data.augment import Augment
from segx.data.case import Case
from segx.data.crops import ForegroundPixels, cut, cut_objects, place_crop
from segx.data.sampler import Draw
from segx.data.store import CaseStore
from segx.data.workers import CasesInHand
from segx.geometry import Extent, Region
from segx.labels import Labels
from segx.scans import Intensity

__all__ = [
    "Batch",
    "Cropping",
    "Objects",
    "Sample",
    "TrainingCrops",
    "WholeCases",
    "collate",
]

_Value = TypeVar("_Value", bound=np.generic)


class Objects(NamedTuple):
    """The true objects of one image.

    Args:
        boxes: Left, top, right and bottom in pixels, shape (n, 4), float32.
        classes: Ids of the classes, from 1, shape (n,), int64.
    """

    boxes: Tensor
    classes: Tensor

    @classmethod
    def of(cls, objects: Detections) -> Self:
        """The same as tensors."""
        return cls(torch.from_numpy(objects.boxes), torch.from_numpy(objects.classes))


class Sample(NamedTuple):
    """One example, before it joins a batch.

    Args:
        image: Normalised, shape (C, H, W), float32.
        mask: Ids, shape (H, W), or planes, shape (K, H, W); uint8.
        label: Index of the image's class or, where it may be of several, 1 or 0 for
            each, `UNKNOWN` where nobody has told.
        case: Index of the case.
        plane: Number of the case's plane.
        objects: Those in the image; None where no boxes are learnt.
    """

    image: Tensor
    mask: Tensor | None
    label: int | tuple[int, ...] | None
    case: int
    plane: int = 0
    objects: Objects | None = None


class Batch(NamedTuple):
    """Examples for one step.

    Args:
        image: Normalised, shape (B, C, H, W), float32.
        mask: Ids, shape (M, H, W), or 0/1 planes, shape (M, K, H, W); int64. A whole
            case's mask keeps the size it has on disk, also where the image is resized.
        label: Index of each image's class, shape (N,), int64; or, where images may be
            of several, 1 or 0 for each, shape (N, K).
        case: Index of each case among those of its split, shape (B,), int64.
        plane: Number of the plane of each case, shape (B,), int64.
        masked: Which images have a mask, shape (M,), int64: usually all.
        labelled: Which images have a label, shape (N,), int64.
        objects: The objects of each image; None where no boxes are learnt.
    """

    image: Tensor
    mask: Tensor | None
    label: Tensor | None
    case: Tensor
    plane: Tensor
    masked: Tensor
    labelled: Tensor
    objects: Sequence[Objects] | None = None


def collate(samples: Sequence[Sample]) -> Batch:
    """Join examples of equal size; what one lacks, others may have."""
    masks = [sample.mask for sample in samples if sample.mask is not None]
    labels = [sample.label for sample in samples if sample.label is not None]
    objects = [sample.objects for sample in samples if sample.objects is not None]
    return Batch(
        image=torch.stack([sample.image for sample in samples]),
        mask=torch.stack(masks).long() if masks else None,
        label=torch.tensor(labels) if labels else None,
        case=torch.tensor([sample.case for sample in samples]),
        plane=torch.tensor([sample.plane for sample in samples]),
        masked=_where([sample.mask is not None for sample in samples]),
        labelled=_where([sample.label is not None for sample in samples]),
        objects=objects or None,
    )


def _where(there: Sequence[bool]) -> Tensor:
    """Indices of what is there, int64."""
    return torch.tensor(there).nonzero()[:, 0]


@dataclass(frozen=True)
class Cropping:
    """How training crops are cut.

    Args:
        extent: Size of a crop, in pixels; None takes whole images.
        foreground_share: Share of the crops that are put on a foreground pixel, or on
            an object.
    """

    extent: Extent | None
    foreground_share: float


class TrainingCrops(Dataset[Sample]):
    """Crops at random places, or whole images, varied at random.

    Of a volume, a plane is drawn: one with foreground as often as crops are put on it.

    An example is a function of the seed and its `Draw`: which process makes it, and
    what that made before, changes nothing. A plain index stands for epoch 0.

    Args:
        store: The cases.
        labels: What mask values mean; None without masks.
        intensity: Turns stored values into what the encoder reads.
        scales: By case id, where each scan has a scale of its own.
        objects: By case id, where boxes are learnt.
        cropping: Size and place of the crops.
        augment: Varies image and mask.
        seed: Another seed makes other examples.

    Attributes:
        in_hand: The cases that processes make examples of.
    """

    def __init__(
        self,
        store: CaseStore,
        *,
        labels: Labels | None,
        intensity: Intensity,
        cropping: Cropping,
        augment: Augment,
        seed: int,
        scales: Mapping[str, Intensity] | None = None,
        objects: Mapping[str, Detections] | None = None,
    ) -> None:
        self._store = store
        self._labels = labels
        self._objects = objects
        self._intensity = intensity
        self._scales = scales or {}
        self._cropping = cropping
        self._augment = augment
        self._seed = seed
        self._foreground: dict[int, ForegroundPixels] = {}
        self.in_hand = CasesInHand(store.cases)

    def __len__(self) -> int:
        return len(self._store)

    def __getitem__(self, index: int | Draw) -> Sample:
        draw = index if isinstance(index, Draw) else Draw(0, index, index)
        with self.in_hand.holding(draw.case):
            return self._make(draw)

    def _make(self, draw: Draw) -> Sample:
        rng = np.random.default_rng([self._seed, draw.epoch, draw.place])
        case = self._store.cases[draw.case]
        planes, masks = self._store.read_all(draw.case)
        if self._objects is not None:
            return self._make_with_objects(draw, planes[0], self._objects[case.id], rng)
        plane, centre = self._aim(draw.case, masks, rng)
        region = self._place(draw.case, centre, rng)
        image = self._store.with_neighbours(planes, plane)
        crop = _channels_apart(cut(image, region))
        intensity = self._scales.get(case.id, self._intensity)
        unit = intensity.unit(crop, source=case.image)
        unit, mask = self._augment(
            unit, None if masks is None else cut(masks[plane], region), rng=rng
        )
        normalised = intensity.normalise(_channels_apart(unit))
        return _sample(normalised, mask, case, at=(draw.case, plane))

    def _make_with_objects(
        self,
        draw: Draw,
        image: NDArray[Any],
        objects: Detections,
        rng: np.random.Generator,
    ) -> Sample:
        """An example whose objects are known; beyond the border there are none."""
        case = self._store.cases[draw.case]
        centre = None
        if len(objects) and rng.random() < self._cropping.foreground_share:
            centre = _centre_of_one(objects, rng)
        region = self._place(draw.case, centre, rng)
        crop = _channels_apart(cut(image, region, outside="edge"))
        intensity = self._scales.get(case.id, self._intensity)
        unit, found = self._augment.with_objects(
            intensity.unit(crop, source=case.image), cut_objects(objects, region), rng
        )
        normalised = intensity.normalise(_channels_apart(unit))
        sample = _sample(normalised, None, case, at=(draw.case, 0))
        return sample._replace(objects=Objects.of(found))

    def _aim(
        self, case: int, masks: NDArray[np.uint8] | None, rng: np.random.Generator
    ) -> tuple[int, tuple[int, int] | None]:
        """Choose a plane, and the foreground pixel in it to put the crop on, if any."""
        planes = self._store.planes(case)
        if planes == 1 and self._cropping.extent is None:
            return 0, None
        if masks is not None and rng.random() < self._cropping.foreground_share:
            pixels = self._foreground_of(case, masks)
            if pixels:
                below, col = pixels.draw(rng)
                plane, row = divmod(below, self._store.extent(case).rows)
                return plane, (row, col)
        return (int(rng.integers(planes)) if planes > 1 else 0), None

    def _place(
        self, case: int, centre: tuple[int, int] | None, rng: np.random.Generator
    ) -> Region:
        """Choose where to cut."""
        extent = self._store.extent(case)
        if self._cropping.extent is None:
            return Region.whole(extent)
        return place_crop(extent, self._cropping.extent, centre=centre, rng=rng)

    def _foreground_of(
        self, case: int, masks: NDArray[np.uint8]
    ) -> ForegroundPixels | None:
        """The foreground pixels of a case, looked for once in a process."""
        if self._labels is None:
            return None
        if case not in self._foreground:
            rng = np.random.default_rng([self._seed, case])
            below = masks.reshape(-1, *masks.shape[2:])
            self._foreground[case] = ForegroundPixels(below, self._labels, rng=rng)
        return self._foreground[case]


class WholeCases(Dataset[Sample]):
    """Cases as the store holds them, plane by plane, to be predicted and compared.

    Args:
        store: The cases.
        intensity: Turns stored values into what the encoder reads.
        scales: By case id, where each scan has a scale of its own.
        numbers: `Sample.case` of each; by default they are counted from 0.
        objects: By case id, where boxes are learnt.
    """

    def __init__(
        self,
        store: CaseStore,
        *,
        intensity: Intensity,
        numbers: Sequence[int] | None = None,
        scales: Mapping[str, Intensity] | None = None,
        objects: Mapping[str, Detections] | None = None,
    ) -> None:
        self._objects = objects
        self._store = store
        self._intensity = intensity
        self._scales = scales or {}
        self._numbers = range(len(store)) if numbers is None else numbers
        self._planes = [
            (index, plane)
            for index in range(len(store))
            for plane in range(store.planes(index))
        ]
        self.in_hand = CasesInHand(store.cases)

    def __len__(self) -> int:
        return len(self._planes)

    def __getitem__(self, index: int) -> Sample:
        number, plane = self._planes[index]
        with self.in_hand.holding(number):
            return self._make(number, plane)

    def _make(self, number: int, plane: int) -> Sample:
        case = self._store.cases[number]
        image, mask = self._store.read(number, plane)
        intensity = self._scales.get(case.id, self._intensity)
        normalised = intensity(_channels_apart(image), source=case.image)
        at = (self._numbers[number], plane)
        sample = _sample(normalised, mask, case, at=at)
        if self._objects is None:
            return sample
        return sample._replace(objects=Objects.of(self._objects[case.id]))


def _centre_of_one(objects: Detections, rng: np.random.Generator) -> tuple[int, int]:
    """Row and column of an object: a class is drawn, each as likely, then one of it."""
    chosen = rng.choice(np.unique(objects.classes))
    box = objects.boxes[rng.choice(np.flatnonzero(objects.classes == chosen))]
    col, row = (box[:2] + box[2:]) / 2
    return int(row), int(col)


def _channels_apart(image: NDArray[_Value]) -> NDArray[_Value]:
    """The same array, each channel in one piece of memory.

    Arithmetic with one number a channel is ten times faster so, and it is the order
    that tensors need.
    """
    return np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)


def _sample(
    image: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    case: Case,
    *,
    at: tuple[int, int],
) -> Sample:
    """Channels before rows; arrays become tensors that own their memory."""
    number, plane = at
    return Sample(
        image=torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
        mask=None if mask is None else torch.from_numpy(_planes_first(mask)),
        label=case.label if case.tags is None else case.tags,
        case=number,
        plane=plane,
    )


def _planes_first(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy, shape (rows, cols) or (planes, rows, cols)."""
    return np.array(mask if mask.ndim == 2 else mask.transpose(2, 0, 1), order="C")
