import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from segx.config import DataConfig
from segx.data.layouts import guess_task, read_layout
from segx.errors import DataError
from tests.data.sets import disc, save, write_classes, write_pairs


def test_the_task_and_the_manifest_choose_the_layout(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    classes = write_classes(tmp_path / "classes", {"cat": 1, "dog": 1})
    (pairs / "list.csv").write_text("image\na\n")
    kinds = [
        read_layout(DataConfig(root=pairs), task="segmentation").kind,
        read_layout(DataConfig(root=classes), task="classification").kind,
        read_layout(DataConfig(manifest=pairs / "list.csv"), task="segmentation").kind,
    ]
    assert kinds == ["folders", "classes", "manifest"]


def test_a_root_must_be_given_and_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Set data\.root"):
        read_layout(DataConfig(), task="segmentation")
    with pytest.raises(DataError, match="is no folder"):
        read_layout(DataConfig(root=tmp_path / "nowhere"), task="segmentation")


def test_what_is_left_aside_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(write_pairs(tmp_path) / "fov" / "a.png", disc())
    with caplog.at_level(logging.INFO, logger="segx"):
        read_layout(DataConfig(root=tmp_path), task="segmentation")
    assert "fov" in caplog.text


def test_the_task_is_guessed_by_the_folders(tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs" / "train").parent
    classes = write_classes(tmp_path / "classes", {"cat": 1, "dog": 1})
    assert guess_task(DataConfig(root=pairs)) == "segmentation"
    assert guess_task(DataConfig(root=classes)) == "classification"
    assert guess_task(DataConfig(manifest=pairs / "list.csv")) == "segmentation"


def test_the_patients_are_read_from_the_names(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, stems=("p1_a", "p1_b", "p2_a"))
    data = DataConfig(root=root, patient_pattern=r"^(p\d)_")
    layout = read_layout(data, task="segmentation")
    assert [case.patient for case in layout.cases] == ["p1", "p1", "p2"]


def test_a_folder_that_can_not_be_listed_is_a_data_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    write_pairs(tmp_path)
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match="Permission denied"):
        read_layout(DataConfig(root=tmp_path), task="segmentation")


@pytest.mark.parametrize(
    ("name", "train", "val", "test"),
    [
        ("isbi2012_em", 24, 0, 6),
        ("drive", 20, 0, 20),
        ("dsb2018_nuclei", 133, 0, 33),
        ("wbc_dataset2", 80, 0, 20),
        ("shenzhen_cxr_lung", 453, 81, 32),
    ],
)
def test_real_sets_are_read_with_the_root_alone(
    shared_data: Callable[[str], Path], name: str, train: int, val: int, test: int
) -> None:
    layout = read_layout(DataConfig(root=shared_data(name)), task="segmentation")
    splits = [case.split for case in layout.cases]
    found = [splits.count("train"), splits.count("val"), splits.count("test")]
    assert found == [train, val, test]
