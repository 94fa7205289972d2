import shutil
from pathlib import Path

import pytest

from segx.config import DataConfig
from segx.data.case import Layout
from segx.data.defects import DefectsError
from segx.data.folders import read_class_folders, read_image_folders
from segx.errors import DataError
from tests.data.sets import disc, picture, save, write_classes, write_pairs


def read(root: Path, **keys: object) -> Layout:
    return read_image_folders(root, DataConfig.model_validate(keys))


def read_classes(root: Path, **keys: object) -> Layout:
    return read_class_folders(root, DataConfig.model_validate(keys))


def problems(root: Path, **keys: object) -> str:
    with pytest.raises(DefectsError) as caught:
        read(root, **keys).refuse_defects()
    return str(caught.value)


def test_images_find_their_masks_whatever_the_suffix(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a", "b"])
    save(tmp_path / "images" / "c.JPG", picture())
    save(tmp_path / "masks" / "c.tif", disc())
    layout = read(tmp_path)
    assert [case.id for case in layout.cases] == ["a", "b", "c"]
    assert layout.cases[2].masks == (tmp_path / "masks" / "c.tif",)
    assert {case.split for case in layout.cases} == {None}


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_split_folders_give_splits(tmp_path: Path, val: str) -> None:
    for name in ("train", val, "test"):
        write_pairs(tmp_path / name, ["1", "2"])
    layout = read(tmp_path)
    assert [(case.id, case.split) for case in layout.cases] == [
        ("test-1", "test"),
        ("test-2", "test"),
        ("train-1", "train"),
        ("train-2", "train"),
        (f"{val}-1", "val"),
        (f"{val}-2", "val"),
    ]


def test_missing_surplus_and_doubled_stems_come_together(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a", "b", "lonely", "twice"])
    (tmp_path / "masks" / "lonely.png").unlink()
    save(tmp_path / "masks" / "stray.png", disc())
    save(tmp_path / "images" / "TWICE.tif", picture())
    text = problems(tmp_path)
    assert "lonely.png: has no mask" in text
    assert "stray.png: belongs to no image" in text
    assert "twice.png: shares its stem with TWICE.tif" in text
    assert "TWICE.tif: shares its stem with twice.png" in text


def test_a_common_ending_of_the_masks_is_pointed_out(tmp_path: Path) -> None:
    for stem in ("x1", "x2"):
        save(tmp_path / "images" / f"{stem}.png", picture())
        save(tmp_path / "masks" / f"{stem}_seg.png", disc())
    assert "'_seg'" in problems(tmp_path)


def test_a_split_without_masks_is_one_defect(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train")
    save(tmp_path / "test" / "images" / "a.png", picture())
    assert "1 defect." in (text := problems(tmp_path))
    assert "test/masks: is missing" in text


def test_other_folders_and_files_are_ignored_and_said_so(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train")
    save(tmp_path / "train" / "fov" / "a.png", disc())
    (tmp_path / "train" / "images" / "notes.txt").write_text("x")
    (tmp_path / "train" / "images" / ".DS_Store").write_text("x")
    notes = " ".join(read(tmp_path).notes)
    assert "train/fov" in notes
    assert "1 entry of other kinds ignored (.txt)" in notes


def test_a_link_out_of_the_data_set_is_refused(tmp_path: Path) -> None:
    outside = save(tmp_path / "secret" / "s.png", picture())
    root = write_pairs(tmp_path / "root", ["a", "s"])
    (root / "images" / "s.png").unlink()
    (root / "images" / "s.png").symlink_to(outside)
    assert "s.png: is a link out of the data set" in problems(root)


def test_a_root_that_is_a_link_is_no_way_out(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "root", ["a"])
    (tmp_path / "link").symlink_to(root)
    assert len(read(tmp_path / "link").cases) == 1


def test_a_folder_per_class_below_masks_is_multilabel(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        save(tmp_path / "images" / f"{stem}.png", picture())
        for name in ("vessel", "disc"):
            save(tmp_path / "masks" / name / f"{stem}.png", disc())
    layout = read(tmp_path)
    assert layout.plane_names == ("disc", "vessel")
    assert [mask.parent.name for mask in layout.cases[0].masks] == ["disc", "vessel"]
    ordered = read(tmp_path, classes=("vessel", "disc"))
    assert ordered.plane_names == ("vessel", "disc")
    assert [m.parent.name for m in ordered.cases[0].masks] == ["vessel", "disc"]
    assert "data.classes names" in problems(tmp_path, classes=("vessel", "cup"))
    (tmp_path / "masks" / "disc" / "b.png").unlink()
    assert "b.png: has no mask" in problems(tmp_path)


def test_multilabel_without_class_folders_is_explained(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    assert "masks/CLASS/STEM.png" in problems(tmp_path, mask_kind="multilabel")


def test_class_folders_for_a_mask_of_another_kind_are_named(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", picture())
    save(tmp_path / "masks" / "vessel" / "a.png", disc())
    text = problems(tmp_path, mask_kind="binary")
    assert "holds no image, but the folders vessel" in text


def test_planes_that_only_one_split_has_are_named(tmp_path: Path) -> None:
    for split, names in (("train", ["x", "y"]), ("test", ["x"])):
        save(tmp_path / split / "images" / "a.png", picture())
        for name in names:
            save(tmp_path / split / "masks" / name / "a.png", disc())
    assert "test/masks/y: is missing" in problems(tmp_path)


def test_two_folders_for_one_split_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path / "val")
    write_pairs(tmp_path / "valid")
    with pytest.raises(DataError, match="both stand for the val split"):
        read(tmp_path)


def test_another_layout_is_described_and_the_way_out_named(tmp_path: Path) -> None:
    write_classes(tmp_path, {"cat": 1, "dog": 1})
    (tmp_path / "labels.csv").write_text("image,label\n")
    with pytest.raises(
        DataError, match=r"the folders cat, dog\. Allowed: images/"
    ) as e:
        read(tmp_path)
    assert "labels.csv" in str(e.value)
    shutil.rmtree(tmp_path / "dog")
    with pytest.raises(DataError, match="one folder of images for each class"):
        read_classes(tmp_path)


def test_a_pair_beside_split_folders_is_not_guessed_at(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    write_pairs(tmp_path / "train")
    with pytest.raises(DataError, match="side by side"):
        read(tmp_path)


def test_class_folders_are_labels_in_order(tmp_path: Path) -> None:
    write_classes(tmp_path, {"dog": 2, "cat": 1})
    layout = read_classes(tmp_path)
    assert layout.class_names == ("cat", "dog")
    assert [case.label for case in layout.cases] == [0, 1, 1]
    reordered = read_classes(tmp_path, classes=("dog", "cat"))
    assert [case.label for case in reordered.cases] == [1, 0, 0]
    with pytest.raises(DefectsError, match=r"data\.classes names"):
        read_classes(tmp_path, classes=("dog", "fox")).refuse_defects()


def test_class_folders_stand_in_split_folders_too(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"cat": 2, "dog": 2})
    write_classes(tmp_path / "test", {"cat": 1})
    layout = read_classes(tmp_path)
    assert [case.split for case in layout.cases] == ["test"] + ["train"] * 4
    assert any("test/dog holds no image" in note for note in layout.notes)


def test_class_folders_without_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    with pytest.raises(DefectsError, match="no image in any of its class folders"):
        read_classes(tmp_path).refuse_defects()
