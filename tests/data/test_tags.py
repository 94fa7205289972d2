"""Tags of several classes, and lists with holes: what a row may say."""

from pathlib import Path

import numpy as np
import pytest
import torch

from segx.config import DataConfig
from segx.data.case import Layout
from segx.data.datamodule import SegxDataModule
from segx.data.defects import Code
from segx.data.manifest import read_manifest
from segx.errors import DataError
from segx.labels import UNKNOWN, Labels
from tests.data.sets import write_pairs
from tests.phantoms import write_manifest

COLUMNS = {"label": ["wet", "hot"]}


def read(
    root: Path, *lines: str, task: str = "classification", **keys: object
) -> Layout:
    manifest = root / "list.csv"
    manifest.write_text("\n".join(lines))
    config = DataConfig.model_validate({"manifest": manifest, **keys})
    return read_manifest(config, task=task)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_pairs(tmp_path, "abc")


def test_a_column_a_class_says_yes_no_or_nothing(root: Path) -> None:
    layout = read(root, "image,wet,hot", "a,1,0", "b,,1.0", "c,0,0", columns=COLUMNS)
    assert [case.tags for case in layout.cases] == [(1, 0), (UNKNOWN, 1), (0, 0)]
    assert layout.class_labels == Labels("multilabel", ("wet", "hot"))


def test_all_unclear_tags_are_listed(root: Path) -> None:
    lines = ["image,wet,hot", "a,yes,0", "b,,", "c,2,1"]
    layout = read(root, *lines, columns=COLUMNS)
    assert [item.found for item in layout.findings] == [
        "line 2 has 'yes' in the column 'wet'",
        "line 3 has nothing in the column 'wet' or 'hot'",
        "line 4 has '2' in the column 'wet'",
    ]
    assert {item.code for item in layout.findings} == {Code.MANIFEST_ROW}


def test_classes_name_the_columns_and_must_be_as_many(root: Path) -> None:
    lines = ["image,wet,hot", "a,1,0", "b,0,1"]
    named = read(root, *lines, columns=COLUMNS, classes=["W", "H"])
    assert named.class_names == ("W", "H")
    with pytest.raises(DataError, match="names 1 classes"):
        read(root, *lines, columns=COLUMNS, classes=["W"])
    with pytest.raises(DataError, match="has no column 'cold'"):
        read(root, *lines, columns={"label": ["wet", "cold"]})


def test_two_tasks_may_each_lack_what_the_other_has(root: Path) -> None:
    lines = ["image,mask,label", "a,a,x", "b,,y", "c,c,"]
    layout = read(root, *lines, task="multitask")
    assert [len(case.masks) for case in layout.cases] == [1, 0, 1]
    assert [case.label for case in layout.cases] == [0, 1, None]
    (bare,) = read(root, *lines[:3], "c,,", task="multitask").findings
    assert bare.found == "line 4 has neither a mask nor a label"
    for task, columns in (("segmentation", "mask label"), ("classification", "label")):
        found = {item.found for item in read(root, *lines, task=task).findings}
        empty = (f"has nothing in the column '{name}'" for name in columns.split())
        assert {text.split(" ", 2)[2] for text in found} == set(empty)


def module(root: Path, **keys: object) -> SegxDataModule:
    small = {"batch_size": 4, "steps_per_epoch": 4, "workers": 0, "resize": 32}
    values = {"root": root, "manifest": "list.csv", **small, **keys}
    data = DataConfig.model_validate(values)
    return SegxDataModule(data, task="multitask", seed=0, mean=0.5, std=0.5)


def test_a_batch_says_which_images_have_what(tmp_path: Path) -> None:
    data = module(write_manifest(tmp_path))
    assert data.class_labels == Labels("multiclass", ("inverted", "plain"))
    seen = 0
    for batch in data.train_dataloader():
        cases = [data.splits.train[index] for index in batch.case.tolist()]
        masked = [k for k, case in enumerate(cases) if case.masks]
        labelled = [k for k, case in enumerate(cases) if case.label is not None]
        assert batch.masked.tolist() == masked
        assert batch.labelled.tolist() == labelled
        assert batch.mask is not None
        assert batch.label is not None
        assert batch.mask.shape == (len(masked), 32, 32)
        assert batch.label.tolist() == [cases[k].label for k in labelled]
        seen += len(cases)
    assert seen == 16
    shapes = {
        batch.mask.shape for batch in data.val_dataloader() if batch.mask is not None
    }
    assert shapes == {torch.Size([1, 70, 90])}  # whole cases keep the mask's own size


def test_a_task_of_which_nothing_can_be_learnt_is_said(tmp_path: Path) -> None:
    root = write_manifest(tmp_path)
    lines = (root / "list.csv").read_text().splitlines()
    cells = [line.split(",") for line in lines[1:]]
    rows = [f"{image},,{label or 'plain'},{split}" for image, _, label, split in cells]
    (root / "list.csv").write_text("\n".join([lines[0], *rows]))
    with pytest.raises(DataError, match=r"0 have a mask and 8 a label.*-c classify"):
        module(root)


def test_two_tasks_without_a_list_are_told_what_it_is(tmp_path: Path) -> None:
    write_pairs(tmp_path, "abcd")
    with pytest.raises(DataError, match=r"set data\.manifest"):
        module(tmp_path, manifest=None)


def test_images_of_several_classes_come_as_rows_of_tags(root: Path) -> None:
    (root / "list.csv").write_text("image,wet,hot\na,1,0\nb,,1\nc,0,0\n")
    keys = {"manifest": "list.csv", "columns": COLUMNS, "resize": 32, "workers": 0}
    config = DataConfig.model_validate({"root": root, "batch_size": 2, **keys})
    data = SegxDataModule(config, task="classification", seed=0, mean=0.5, std=0.5)
    batch = next(iter(data.train_dataloader()))
    assert batch.label is not None
    assert batch.label.shape == (2, 2)
    tags = [data.splits.train[index].tags for index in batch.case.tolist()]
    assert np.array_equal(batch.label.numpy(), tags)
