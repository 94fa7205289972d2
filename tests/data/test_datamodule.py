import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import tifffile
import torch
from torch import Tensor

from segx.config import DataConfig
from segx.data.case import Task
from segx.data.datamodule import SegxDataModule
from segx.data.dataset import Batch
from segx.errors import ConfigError, DataError
from tests.data.sets import disc, picture, save, write_classes, write_pairs


def module(
    root: Path, task: Task = "segmentation", seed: int = 0, **keys: Any
) -> SegxDataModule:
    small = {"crop": 16, "batch_size": 3, "steps_per_epoch": 4, "workers": 0}
    data = DataConfig.model_validate({"root": root, **small, **keys})
    return SegxDataModule(data, task=task, seed=seed, mean=0.5, std=0.5)


def epoch(data: SegxDataModule, number: int = 0) -> list[Batch]:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
    return list(loader)


def are_same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.image, b.image) and torch.equal(a.case, b.case)
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "train", list("abcdef"), value=255)
    return write_pairs(tmp_path / "test", ["x", "y"], value=255).parent


def test_a_module_knows_what_a_network_needs(root: Path) -> None:
    data = module(root)
    assert data.labels is not None
    assert data.labels.kind == "binary"
    assert data.class_names == ("background", "class_1")
    assert data.channels == 3
    assert data.intensity.mean == (0.5, 0.5, 0.5)
    assert [len(cases) for _, cases in data.splits.items()] == [5, 1, 2]
    assert data.resize is None
    assert data.pixels_per_step == 3 * 16 * 16
    assert data.validation_pixels == 20 * 24


def test_an_epoch_has_the_steps_asked_for_and_whole_batches(root: Path) -> None:
    batches = epoch(data := module(root))
    assert len(batches) == data.steps_per_epoch == 4
    assert module(root, batch_size=1, steps_per_epoch=2).steps_per_epoch == 5
    for batch in batches:
        assert batch.image.shape == (3, 3, 16, 16)
        assert batch.mask is not None
        assert batch.mask.shape == (3, 16, 16)
        assert set(batch.mask.unique().tolist()) <= {0, 1}
        assert batch.image.abs().max() <= 1


def test_batches_are_the_same_with_and_without_workers(root: Path) -> None:
    alone, shared = module(root, workers=0), module(root, workers=2)
    loader = shared.train_dataloader()
    for number in (0, 1, 5):
        loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        assert are_same(epoch(alone, number), list(loader))


def test_seeds_and_epochs_give_other_batches(root: Path) -> None:
    data = module(root)
    assert are_same(epoch(data), epoch(module(root)))
    assert not are_same(epoch(data), epoch(data, 1))
    assert not are_same(epoch(data), epoch(module(root, seed=1)))


def test_the_cache_changes_nothing(root: Path) -> None:
    assert are_same(epoch(module(root)), epoch(module(root, cache_mib=0)))


def test_validation_and_test_yield_whole_cases_in_order(root: Path) -> None:
    save(root / "test" / "images" / "y.png", picture(33, 31))
    save(root / "test" / "masks" / "y.png", disc(33, 31, value=255))
    data = module(root)
    tested = list(data.test_dataloader())
    assert [tuple(batch.image.shape) for batch in tested] == [
        (1, 3, 20, 24),
        (1, 3, 33, 31),
    ]
    assert [batch.case.item() for batch in tested] == [0, 1]
    assert tested[1].mask.shape == (1, 33, 31)
    assert [batch.case.item() for batch in data.val_dataloader()] == [0]


def test_fewer_validation_cases_keep_their_numbers(root: Path) -> None:
    data = module(root, validation_split=0.7, validation_cases=2)
    numbers = [batch.case.item() for batch in data.val_dataloader()]
    assert len(numbers) == len(data.val_cases) == 2
    assert [data.splits.val[number] for number in numbers] == list(data.val_cases)
    again = module(root, validation_split=0.7, validation_cases=2)
    assert again.val_cases == data.val_cases


@pytest.mark.parametrize(("batch", "expected"), [(3, 3), (4, 2), (16, 1)])
def test_a_share_of_the_validation_is_told_in_batches(
    batch: int, expected: int, tmp_path: Path
) -> None:
    write_classes(tmp_path, {"ill": 20, "well": 20})
    keys: dict[str, Any] = {"resize": 16, "batch_size": batch, "validation_split": 0.4}
    data = module(tmp_path, "classification", **keys)
    assert data.validation_batches(1.0) == len(data.val_dataloader())
    assert data.validation_batches(0.5) == expected
    assert data.validation_batches(0.001) == 1


def test_resized_cases_are_judged_at_their_own_size(root: Path) -> None:
    data = module(root, resize=(10, 12), crop=None)
    assert epoch(data)[0].image.shape == (3, 3, 10, 12)
    (batch,) = data.val_dataloader()
    assert batch.image.shape == (1, 3, 10, 12)
    assert batch.mask.shape == (1, 20, 24)
    assert data.validation_pixels == 120


def test_whole_images_need_one_size_or_batches_of_one(root: Path) -> None:
    assert epoch(module(root, crop=None))[0].image.shape == (3, 3, 20, 24)
    for stem in "abc":
        save(root / "train" / "images" / f"{stem}.png", picture(20, 20))
        save(root / "train" / "masks" / f"{stem}.png", disc(20, 20, value=255))
    with pytest.raises(DataError, match=r"of 20x20 px.*data\.crop is null"):
        module(root, crop=None)
    assert len(epoch(module(root, crop=None, batch_size=1))) == 5


def test_a_set_without_test_cases_says_so(tmp_path: Path) -> None:
    data = module(write_pairs(tmp_path))
    with pytest.raises(DataError, match=r"data\.test_split"):
        data.test_dataloader()
    assert module(tmp_path, test_split=0.25).test_dataloader()


def test_classification_yields_resized_images_with_labels(tmp_path: Path) -> None:
    root = write_classes(tmp_path, {"cat": 6, "dog": 6})
    data = module(root, "classification", resize=32)
    assert data.labels is None
    assert data.class_names == ("cat", "dog")
    batch = epoch(data)[0]
    assert batch.image.shape == (3, 3, 32, 32)
    assert batch.mask is None
    assert batch.label is not None
    expected = [data.splits.train[number].label for number in batch.case.tolist()]
    assert batch.label.tolist() == expected
    (validated,) = data.val_dataloader()
    assert validated.label.tolist() == [0, 1]
    default = module(root, "classification").resize
    assert (default.rows, default.cols) == (224, 224) if default else False


def test_planes_come_as_channels(tmp_path: Path) -> None:
    for number, stem in enumerate("abcd"):
        save(tmp_path / "images" / f"{stem}.png", picture(seed=number))
        for name in ("cup", "rim"):
            save(tmp_path / "masks" / name / f"{stem}.png", disc())
    data = module(tmp_path)
    mask = epoch(data)[0].mask
    assert mask is not None
    assert mask.shape == (3, 2, 16, 16)
    (batch,) = data.val_dataloader()
    assert batch.mask.shape == (1, 2, 20, 24)


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint16, 1), (np.float32, 5)])
def test_deep_images_of_any_channels_are_trained_on(
    tmp_path: Path, dtype: type, channels: int
) -> None:
    for number in range(4):
        image = picture(channels=channels, seed=number).astype(dtype).squeeze() * 9
        path = tmp_path / "images" / f"{number}.tif"
        save(tmp_path / "masks" / f"{number}.png", disc())
        path.parent.mkdir(exist_ok=True)
        contiguous = "contig" if channels > 1 else None
        tifffile.imwrite(path, image, photometric="minisblack", planarconfig=contiguous)
    data = module(tmp_path)
    batch = epoch(data)[0]
    assert batch.image.shape == (3, channels, 16, 16)
    assert -1 <= batch.image.min() < -0.5 < 0.5 < batch.image.max() <= 1


def test_a_patient_in_two_given_splits_is_refused(root: Path) -> None:
    copy = (root / "train" / "images" / "a.png").read_bytes()
    (root / "test" / "images" / "x.png").write_bytes(copy)
    with pytest.raises(DataError, match="is the same file as"):
        module(root)


def test_a_wrong_preset_is_refused_at_once(root: Path) -> None:
    with pytest.raises(ConfigError, match="preset"):
        module(root, augment={"preset": "standart"})


def test_splits_are_written_beside_a_run(root: Path, tmp_path: Path) -> None:
    module(root).write_splits(tmp_path / "splits.csv")
    with (tmp_path / "splits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["case"]: row["split"] for row in rows}["x"] == "test"


class Recorder(pl.LightningModule):
    """Learns nothing; remembers the cases that each epoch showed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: dict[int, list[int]] = {}

    def training_step(self, batch: Batch) -> Tensor:
        self.seen.setdefault(self.current_epoch, []).extend(batch.case.tolist())
        return (self.weight * batch.image.mean()).sum()

    def validation_step(self, batch: Batch) -> None:
        self.seen.setdefault(-1, []).extend(batch.case.tolist())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("workers", [0, 1])
def test_lightning_tells_the_sampler_the_epoch(
    root: Path, tmp_path: Path, workers: int
) -> None:
    data = module(root, workers=workers)
    learner = Recorder()
    trainer = pl.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(learner, datamodule=data)
    for number in range(3):
        expected = [case for b in epoch(data, number) for case in b.case.tolist()]
        assert learner.seen[number] == expected
    assert learner.seen[-1] == [0, 0, 0]


@pytest.mark.parametrize(
    "name",
    ["isbi2012_em", "drive", "dsb2018_nuclei", "wbc_dataset2", "isic_skin_fullres"],
)
def test_real_sets_give_batches_with_the_root_alone(
    shared_data: Callable[[str], Path], name: str
) -> None:
    data = module(shared_data(name), crop=64)
    batch = next(iter(data.train_dataloader()))
    assert batch.image.shape == (3, data.channels, 64, 64)
    assert batch.mask is not None
    assert data.labels is not None
    assert int(batch.mask.max()) < len(data.labels.names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "task"),
    [("shenzhen_cxr_lung", "segmentation"), ("busi_classification", "classification")],
)
def test_larger_real_sets_give_batches_too(
    shared_data: Callable[[str], Path], name: str, task: Task
) -> None:
    batch = next(iter(module(shared_data(name), task).train_dataloader()))
    assert len(batch.image) == 3
