"""Objects follow what is done to their image: crops, flips, quarter turns."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segx.boxes import Detections
from segx.config import AugmentConfig, DataConfig
from segx.data.augment import PRESETS, Augment, _seen, objects_seen
from segx.data.crops import cut, cut_objects
from segx.data.datamodule import SegxDataModule
from segx.data.dataset import Batch
from segx.data.instances import boxes_of_ids
from segx.errors import ConfigError, DataError
from segx.geometry import Extent, Region
from tests.phantoms import cells, write_cells

sizes = st.integers(20, 70)


def objects_of(ids: np.ndarray) -> Detections:
    boxes = boxes_of_ids(ids)
    return Detections.of(boxes, [1] * len(boxes))


def same(one: Detections, other: Detections) -> bool:
    return sorted(one.boxes.tolist()) == sorted(other.boxes.tolist())


@given(rows=sizes, cols=sizes, seed=st.integers(0, 99), view=st.integers(0, 7))
def test_the_box_of_a_turned_mask_is_the_turned_box(
    rows: int, cols: int, seed: int, view: int
) -> None:
    _, ids = cells((rows, cols), seed)
    turned = objects_seen(objects_of(ids), view, Extent(rows, cols))
    assert same(turned, objects_of(_seen(ids, view)))


@given(
    seed=st.integers(0, 99),
    top=st.integers(-20, 40),
    left=st.integers(-20, 40),
    rows=st.integers(2, 80),
    cols=st.integers(2, 80),
)
def test_the_box_of_a_cut_mask_lies_in_the_cut_box(
    seed: int, top: int, left: int, rows: int, cols: int
) -> None:
    """Boxes that a crop leaves whole are those of the cut mask; others are cut."""
    _, ids = cells((60, 50), seed)
    region = Region(top, left, rows, cols)
    whole = objects_of(ids)
    kept = cut_objects(whole, region)
    assert (kept.boxes >= 0).all()
    assert (kept.boxes[:, [0, 2]] <= cols).all()
    assert (kept.boxes[:, [1, 3]] <= rows).all()
    assert (kept.areas > 0).all()
    inside = np.zeros((60, 50), bool)
    inside[max(top, 0) : max(top + rows, 0), max(left, 0) : max(left + cols, 0)] = True
    for number, box in zip(np.unique(ids[ids > 0]), whole.boxes, strict=True):
        if inside[ids == number].all():
            expected = box - [left, top, left, top]
            assert expected.tolist() in kept.boxes.tolist()


@pytest.mark.parametrize(
    ("box", "is_kept"),
    [
        ((0, 0, 10, 10), True),
        ((-6, 0, 4, 10), True),  # 40 % are left
        ((-8, 0, 2, 10), False),  # 20 %
        ((-5, -5, 5, 5), True),  # 25 %
        ((-1, 0, 1, 10), False),  # half, but 1 px wide
        ((3, 3, 4, 4), True),  # a small one that is whole
        ((20, 0, 30, 10), False),
        ((18, 18, 21, 21), True),
    ],
)
def test_slivers_are_dropped(box: tuple[int, ...], is_kept: bool) -> None:
    kept = cut_objects(Detections.of([box], [1]), Region(0, 0, 20, 20))
    assert bool(len(kept)) == is_kept


def test_beyond_the_border_an_image_may_repeat_its_edge() -> None:
    found = cut(np.array([[1, 2, 3]]), Region(-1, -2, 2, 6), outside="edge")
    assert found.tolist() == [[1, 1, 1, 2, 3, 3]] * 2


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("extent", [Extent(48, 48), Extent(40, 60)])
def test_no_preset_parts_objects_from_their_image(preset: str, extent: Extent) -> None:
    config = AugmentConfig(preset=preset)
    augment = Augment(config, channels=3, extent=extent, for_boxes=True)
    views = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        marked = np.full((extent.rows, extent.cols, 3), 0.2, np.float32)
        marked[4:14, 6:30] = 0.8
        cell = Detections.of([[6, 4, 30, 14]], [2])
        image, found = augment.with_objects(marked, cell, rng)
        left, top, right, bottom = found.boxes[0].astype(int)
        inside = np.zeros(image.shape[:2], bool)
        inside[top:bottom, left:right] = True
        assert image.shape == marked.shape
        assert image[inside].mean() - image[~inside].mean() > 0.2
        assert found.classes.tolist() == [2]
        views.add((left, top, right, bottom))
    square = extent.rows == extent.cols
    expected = {"none": 1, "radiograph": 2}.get(preset, 8 if square else 4)
    assert len(views) == expected


def test_transforms_that_move_pixels_are_refused() -> None:
    config = AugmentConfig.model_validate({"extra": [{"name": "Rotate", "p": 0.5}]})
    Augment(config, channels=3, extent=Extent(32, 32))
    with pytest.raises(ConfigError, match="extra: Rotate moves pixels"):
        Augment(config, channels=3, extent=Extent(32, 32), for_boxes=True)


def module(root: Path, **keys: Any) -> SegxDataModule:
    small = {"crop": 48, "batch_size": 3, "steps_per_epoch": 4, "workers": 0}
    data = DataConfig.model_validate(
        {"root": root, "boxes": "instances", "resize": None, **small, **keys}
    )
    return SegxDataModule(data, task="detection", seed=0, mean=0.5, std=0.5)


def epoch(data: SegxDataModule) -> list[Batch]:
    return list(data.train_dataloader())


def test_batches_hold_the_objects_of_each_crop(tmp_path: Path) -> None:
    root = write_cells(tmp_path / "cells", count=8)
    data = module(root, augment={"preset": "none"}, foreground_share=1.0)
    assert data.class_names == ("object",)
    assert data.labels is None
    seen = 0
    for batch in epoch(data):
        assert batch.image.shape == (3, 3, 48, 48)
        assert batch.mask is None
        assert batch.objects is not None
        assert len(batch.objects) == 3
        for image, objects in zip(batch.image, batch.objects, strict=True):
            inside = torch.zeros(48, 48, dtype=torch.bool)
            for left, top, right, bottom in objects.boxes.int().tolist():
                inside[top:bottom, left:right] = True
            seen += len(objects.boxes)
            bright = image.mean(dim=0) > -0.05
            assert (bright & ~inside).float().mean() < 0.02  # slivers at the border
            assert objects.classes.tolist() == [1] * len(objects.boxes)
    assert seen > 10


def test_objects_are_the_same_with_and_without_workers(tmp_path: Path) -> None:
    root = write_cells(tmp_path / "cells", count=5)
    here, there = (epoch(module(root, workers=count)) for count in (0, 1))
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.image, other.image)
        assert one.objects is not None
        assert other.objects is not None
        for mine, theirs in zip(one.objects, other.objects, strict=True):
            assert torch.equal(mine.boxes, theirs.boxes)


def test_whole_cases_come_with_all_of_their_objects(tmp_path: Path) -> None:
    root = write_cells(tmp_path / "cells", count=4, size=(30, 45))
    data = module(root)
    for batch, case in zip(data.test_dataloader(), data.splits.test, strict=True):
        assert batch.image.shape == (1, 3, 30, 45)
        assert data.boxes is not None
        expected = data.boxes.by_case[case.id]
        assert batch.objects[0].boxes.tolist() == expected.boxes.tolist()


def test_an_image_smaller_than_a_crop_is_not_mirrored(tmp_path: Path) -> None:
    root = write_cells(tmp_path / "cells", count=4, size=(20, 30))
    for batch in epoch(module(root, augment={"preset": "none"})):
        assert batch.objects is not None
        for image, objects in zip(batch.image, batch.objects, strict=True):
            assert torch.equal(image[:, 0], image[:, 14])  # the edge, repeated
            assert (objects.boxes[:, 1] >= 14).all()
            assert (objects.boxes[:, 3] <= 34).all()


def test_volumes_are_refused(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    for split in ("train", "test"):
        for kind, dtype in (("images", np.uint8), ("instances", np.uint16)):
            (tmp_path / split / kind).mkdir(parents=True)
            for number in range(3):
                path = tmp_path / split / kind / f"{split}{number}.ome.tif"
                rng = np.random.default_rng(number + len(split))
                volume = rng.integers(0, 9, (4, 20, 24)).astype(dtype)
                tifffile.imwrite(path, volume, metadata={"axes": "ZYX"})
    with pytest.raises(DataError, match="holds volumes, and detection takes single"):
        module(tmp_path)
