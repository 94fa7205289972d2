from pathlib import Path

import numpy as np
import pytest
import torch

from segx.config import AugmentConfig
from segx.data.augment import Augment
from segx.data.case import Case
from segx.data.dataset import Cropping, Sample, TrainingCrops, WholeCases, collate
from segx.data.mask_values import MaskValues
from segx.data.reader import CaseReader
from segx.data.sampler import Draw
from segx.data.store import CaseStore
from segx.geometry import Extent
from segx.labels import Labels
from segx.scans import Intensity
from tests.data.sets import picture, save

SIZE = Extent(40, 50)
LABELS = Labels("binary", ("background", "cell"))
SCALE = Intensity.for_dtype(np.uint8, 3, mean=0.5, std=0.5)


@pytest.fixture
def store(tmp_path: Path) -> CaseStore:
    """Two cases with one foreground pixel each, in a corner."""
    cases = []
    for number in range(2):
        mask = np.zeros((SIZE.rows, SIZE.cols), np.uint8)
        mask[-1, -1] = 1
        image = save(tmp_path / f"{number}.png", picture(40, 50, seed=number))
        path = save(tmp_path / f"{number}_m.png", mask)
        cases.append(Case(str(number), image, (path,), label=number))
    reader = CaseReader(3, np.dtype(np.uint8), MaskValues(LABELS, {0: 0, 1: 1}))
    extents = {case.id: SIZE for case in cases}
    return CaseStore(cases, reader, extents=extents, budget=10**6)


def crops(
    store: CaseStore, side: int | None = 16, share: float = 0.5, preset: str = "none"
) -> TrainingCrops:
    extent = None if side is None else Extent(side, side)
    return TrainingCrops(
        store,
        labels=LABELS,
        intensity=SCALE,
        cropping=Cropping(extent, share),
        augment=Augment(
            AugmentConfig(preset=preset), channels=3, extent=extent or SIZE
        ),
        seed=0,
    )


def is_same(one: Sample, other: Sample) -> bool:
    assert one.mask is not None
    assert other.mask is not None
    return torch.equal(one.image, other.image) and torch.equal(one.mask, other.mask)


def test_a_crop_is_a_piece_of_the_normalised_image(store: CaseStore) -> None:
    sample = crops(store, share=1.0)[Draw(0, 0, 1)]
    assert sample.mask is not None
    expected = SCALE(picture(40, 50, seed=1))[-16:, -16:].transpose(2, 0, 1)
    assert np.allclose(sample.image.numpy(), expected)
    assert sample.mask[-1, -1] == 1
    assert (sample.label, sample.case) == (1, 1)


@pytest.mark.parametrize("side", [7, 40, 64, 200])
def test_crops_of_any_size_are_cut(store: CaseStore, side: int) -> None:
    sample = crops(store, side)[Draw(0, 0, 0)]
    assert sample.mask is not None
    assert sample.image.shape == (3, side, side)
    assert sample.mask.shape == (side, side)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_foreground_is_favoured_as_often_as_asked(
    store: CaseStore, share: float
) -> None:
    data = crops(store, share=share)
    masks = [data[Draw(0, place, 0)].mask for place in range(200)]
    hits = np.mean([mask is not None and bool(mask.any()) for mask in masks])
    assert hits == pytest.approx(share, abs=0.1)


def test_without_a_crop_the_image_comes_whole(store: CaseStore) -> None:
    assert crops(store, None)[Draw(0, 0, 0)].image.shape == (3, 40, 50)


def test_an_example_follows_from_its_draw_alone(store: CaseStore) -> None:
    first, second = crops(store, preset="standard"), crops(store, preset="standard")
    draws = [Draw(epoch, place, place % 2) for epoch in (0, 3) for place in range(6)]
    before = {draw: first[draw] for draw in draws}
    assert all(is_same(second[draw], before[draw]) for draw in reversed(draws))


def test_epochs_and_places_vary_an_example(store: CaseStore) -> None:
    data = crops(store, preset="standard")
    draws = [Draw(epoch, place, 0) for epoch in range(3) for place in range(3)]
    assert len({data[draw].image.numpy().tobytes() for draw in draws}) == 9


def test_a_plain_index_is_a_case_of_epoch_0(store: CaseStore) -> None:
    data = crops(store)
    assert len(data) == 2
    assert is_same(data[1], data[Draw(0, 1, 1)])


def test_whole_cases_are_complete_and_keep_their_numbers(store: CaseStore) -> None:
    data = WholeCases(store, intensity=SCALE, numbers=[4, 7])
    assert len(data) == 2
    sample = data[1]
    assert sample.mask is not None
    assert np.allclose(
        sample.image.numpy(), SCALE(picture(40, 50, seed=1)).transpose(2, 0, 1)
    )
    assert sample.mask.shape == (40, 50)
    assert sample.case == 7
    assert WholeCases(store, intensity=SCALE)[1].case == 1


def test_a_batch_holds_what_its_samples_hold(store: CaseStore) -> None:
    data = crops(store)
    batch = collate([data[Draw(0, place, place)] for place in range(2)])
    assert batch.mask is not None
    assert batch.label is not None
    assert batch.image.shape == (2, 3, 16, 16)
    assert batch.mask.shape == (2, 16, 16)
    assert batch.mask.dtype == torch.int64
    assert batch.label.tolist() == [0, 1]
    assert batch.case.tolist() == [0, 1]


def test_a_batch_without_masks_or_labels_says_so() -> None:
    batch = collate([Sample(torch.zeros(1, 2, 2), None, None, 0)])
    assert batch.mask is None
    assert batch.label is None
