"""Volumes as training data: planes are drawn, whole volumes are judged."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from segx.config import DataConfig
from segx.data.case import Task
from segx.data.datamodule import SegxDataModule
from segx.data.dataset import Batch
from segx.data.defects import DefectsError
from segx.errors import DataError
from segx.geometry import Extent, Region
from segx.scans import open_scan
from segx.scans.neighbours import read_with_neighbours
from tests.phantoms import ball, write_balls, write_volume


def module(root: Path, task: Task = "segmentation", **keys: Any) -> SegxDataModule:
    small = {"crop": 16, "batch_size": 3, "steps_per_epoch": 4, "workers": 0}
    augment = {"preset": "none"}
    keys = {"resize": None, **keys}
    data = DataConfig.model_validate(
        {"root": root, "augment": augment, **small, **keys}
    )
    return SegxDataModule(data, task=task, seed=0, mean=0.5, std=0.5)


def epoch(data: SegxDataModule, number: int = 0) -> list[Batch]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
    return list(loader)


def problems(root: Path) -> str:
    with pytest.raises(DefectsError) as caught:
        module(root)
    return " | ".join(str(caught.value).splitlines())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four volumes of 9 to 12 planes for training, as many for the test."""
    return write_balls(tmp_path_factory.mktemp("balls"))


def test_volumes_are_cases_named_without_their_double_suffix(root: Path) -> None:
    data = module(root)
    assert [case.id for case in data.splits.test] == [f"test{i}" for i in range(4)]
    assert data.planes_of(data.splits.test) == (9, 10, 11, 12)
    assert data.survey.dtype == "float32"
    assert data.channels == 1
    (image,) = data.splits.val
    planes = data.survey.planes[image.id]
    assert data.validation_pixels == planes * 32 * 32
    total = sum(data.planes_of(data.splits.train))
    assert module(root, steps_per_epoch=1).steps_per_epoch == total // 3


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cache_mib", [0, 64])
def test_draws_follow_from_the_seed_alone(
    root: Path, workers: int, cache_mib: int
) -> None:
    plain = module(root, neighbours=1)
    other = module(root, neighbours=1, workers=workers, cache_mib=cache_mib)
    for one, two in zip(epoch(plain, 3), epoch(other, 3), strict=True):
        assert all(torch.equal(*pair) for pair in zip(one[:2], two[:2], strict=True))
        assert torch.equal(one.plane, two.plane)


def test_planes_with_foreground_are_favoured_as_often_as_asked(root: Path) -> None:
    masks = {
        share: torch.cat(
            [b.mask for b in epoch(module(root, foreground_share=share, crop=16))]
        )
        for share in (0.0, 1.0)
    }
    hits = {share: (mask > 0).any(dim=(1, 2)) for share, mask in masks.items()}
    assert hits[1.0].all()
    assert not hits[0.0].all()


def test_any_plane_is_drawn(root: Path) -> None:
    data = module(root, foreground_share=0.0, steps_per_epoch=100)
    drawn = Counter(torch.cat([batch.plane for batch in epoch(data)]).tolist())
    assert set(drawn) >= set(range(9))
    assert min(drawn[plane] for plane in range(9)) > 10


@pytest.mark.parametrize("neighbours", [0, 2])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("intensity", ["auto", "scan_zscore", "percentile"])
def test_training_and_prediction_read_a_plane_alike(
    root: Path, neighbours: int, axis: int, intensity: str
) -> None:
    data = module(root, neighbours=neighbours, axis=axis, intensity=intensity)
    for batch in data.test_dataloader():
        case = data.splits.test[int(batch.case)]
        with open_scan(case.image, axis=axis) as scan:
            fitted = data.intensity.fitted_to(scan, neighbours=neighbours)
            pixels = read_with_neighbours(
                scan,
                Region.whole(scan.extent),
                plane=int(batch.plane),
                neighbours=neighbours,
                channels=1,
            )
        expected = fitted(pixels).transpose(2, 0, 1)
        assert np.allclose(batch.image[0].numpy(), expected, atol=1e-6)


def test_whole_volumes_come_plane_by_plane_in_order(root: Path) -> None:
    data = module(root, resize=32)
    found: dict[int, list[np.ndarray]] = {}
    for batch in data.test_dataloader():
        planes = found.setdefault(int(batch.case), [])
        assert int(batch.plane) == len(planes)
        assert batch.image.shape == (1, 1, 32, 32)
        planes.append(batch.mask[0].numpy())
    for index, planes in found.items():
        assert np.array_equal(
            np.stack(planes), ball((9 + index, 20, 24), 100 + index)[1]
        )


def test_a_volume_that_is_not_kept_is_decoded_once_for_its_planes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from segx.data import reader

    opened: list[Path] = []

    def counting(path: Path, **keys: Any) -> Any:
        opened.append(path)
        return open_scan(path, **keys)

    data = module(root)
    monkeypatch.setattr(reader, "open_scan", counting)
    assert len(list(data.test_dataloader())) == 9 + 10 + 11 + 12
    assert Counter(opened).most_common(1)[0][1] == 1


def test_crops_are_no_larger_than_most_planes(root: Path) -> None:
    data = module(root, crop=256)
    assert epoch(data)[0].image.shape == (3, 1, 20, 24)
    assert data.pixels_per_step == 3 * 32 * 32
    assert epoch(module(root, crop=256, resize=80))[0].image.shape == (3, 1, 80, 80)


@pytest.mark.parametrize(
    ("size", "expected"), [((20, 24), (96, 128)), ((130, 40), (None, None))]
)
def test_small_planes_are_enlarged_and_others_are_not(
    tmp_path: Path, size: tuple[int, int], expected: tuple[int | None, int | None]
) -> None:
    write_balls(tmp_path, shape=(3, *size))
    data = module(tmp_path, resize="auto")
    assert data.resize == (Extent(*expected) if expected[0] else None)
    batch = next(iter(data.test_dataloader()))
    assert batch.mask[0].shape == size


def test_volumes_of_one_type_and_unit_share_a_scale(tmp_path: Path) -> None:
    for index in range(4):
        image, mask = ball((5, 20, 20), index)
        write_volume(tmp_path / "images" / f"{index}.mha", image)
        write_volume(tmp_path / "masks" / f"{index}.nii.gz", mask)
    data = module(tmp_path)
    assert data.intensity.of_each_scan is None
    assert "training images" in data.intensity.source


def test_the_range_of_a_type_needs_one_type(tmp_path: Path) -> None:
    write_balls(tmp_path, splits=("train",))
    with pytest.raises(DefectsError, match="uint8 values; expected: float32, as 2"):
        module(tmp_path, intensity="range")


def test_a_mask_of_another_shape_is_refused_with_both(tmp_path: Path) -> None:
    write_balls(tmp_path, splits=("train",))
    path = tmp_path / "train" / "masks" / "train1.nii.gz"
    write_volume(path, ball((9, 20, 24), 0)[1])
    assert "has 9 planes of 20x24 px" in (text := problems(tmp_path))
    assert "10 planes" in text
    assert str(path) in text


@pytest.mark.parametrize(
    ("keys", "ours", "theirs"),
    [
        ({"spacing_mm": (2.0, 1.0, 0.6)}, "[2.0, 1.0, 0.6]", "[2.0, 1.0, 0.5]"),
        ({"origin_mm": (5.0, 7.0, 11.0)}, "[5.0, 7.0, 11.0]", "[5.0, -7.0, 11.0]"),
    ],
)
def test_a_mask_that_lies_elsewhere_is_refused_with_both_places(
    tmp_path: Path, keys: dict[str, Any], ours: str, theirs: str
) -> None:
    write_balls(tmp_path, splits=("train",))
    path = tmp_path / "train" / "masks" / "train1.nii.gz"
    write_volume(path, ball((10, 20, 24), 1)[1], **keys)
    assert f"{ours}; expected: " in (text := problems(tmp_path))
    assert f"{theirs} (planes, rows, columns)" in text
    assert str(path) in text


def test_rounded_headers_are_the_same_place(tmp_path: Path) -> None:
    write_balls(tmp_path, splits=("train",))
    path = tmp_path / "train" / "masks" / "train1.nii.gz"
    write_volume(path, ball((10, 20, 24), 1)[1], origin_mm=(5.01, -7.01, 11.0))
    assert module(tmp_path)


def test_blank_volumes_are_named_where_each_has_its_scale(tmp_path: Path) -> None:
    write_balls(tmp_path, splits=("train",))
    for name in ("train0", "train1"):
        path = tmp_path / "train" / "images" / f"{name}.nii.gz"
        write_volume(path, np.full((9 + int(name[-1]), 20, 24), 7, np.float32))
    assert "train0.nii.gz: holds 7 everywhere" in (text := problems(tmp_path))
    assert "train1.nii.gz: holds 7 everywhere" in text


def test_a_voxel_that_is_no_number_is_refused(tmp_path: Path) -> None:
    write_balls(tmp_path, splits=("train",))
    image, _ = ball((9, 20, 24), 0)
    image[4, 5, 6] = np.nan
    write_volume(tmp_path / "train" / "images" / "train0.nii.gz", image)
    assert "holds NaN or infinity in 1 value" in problems(tmp_path)


def test_neighbours_of_single_images_and_labels_of_volumes_are_refused(
    tmp_path: Path, root: Path
) -> None:
    from tests.data.sets import write_pairs

    with pytest.raises(DataError, match=r"data\.neighbours is 1"):
        module(write_pairs(tmp_path / "flat"), neighbours=1)
    for name in ("cat", "dog"):
        for index in range(3):
            path = tmp_path / "classes" / name / f"{name}{index}.nii.gz"
            write_volume(path, ball((3, 8, 8), len(name) + index)[0])
    with pytest.raises(DataError, match="takes single images"):
        module(tmp_path / "classes", "classification")


@pytest.mark.slow
def test_real_volumes_of_mixed_types_give_batches_with_the_root_alone(
    shared_data: Callable[[str], Path],
) -> None:
    data = SegxDataModule(
        DataConfig(root=shared_data("hippocampus3d"), neighbours=1, workers=0),
        task="segmentation",
        seed=0,
        mean=0.5,
        std=0.5,
    )
    train, val, test = (len(cases) for _, cases in data.splits.items())
    assert (train + val, test) == (104, 26)
    assert 9 <= val <= 12  # a tenth, with the mix of classes of all
    assert data.intensity.of_each_scan == "percentile"
    batch = epoch(data)[0]
    assert batch.image.shape == (8, 3, 128, 96)
    assert batch.mask is not None
    assert set(batch.mask.unique().tolist()) == {0, 1, 2}
    means = [float(image.mean()) for image in batch.image]
    assert max(map(abs, means)) < 0.8  # no volume is black or white
