"""Raw data sets of nnU-Net: read as they are, and written so that they come back."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.cli.main import main
from segx.config import DataConfig
from segx.data.case import Case, Layout
from segx.data.check import check_data
from segx.data.layouts import guess_task
from segx.data.reader import CaseReader
from segx.data.survey import Survey
from segx.errors import DataError
from segx.scans import open_scan
from tests.data.sets import disc, picture, save, write_pairs
from tests.phantoms import ball, write_balls, write_discs, write_volume


def describe(
    root: Path,
    *,
    channels: int = 1,
    labels: dict[str, object] | None = None,
    ending: str = ".png",
    cases: int = 3,
    **more: object,
) -> Path:
    """Write dataset.json."""
    content = {
        "channel_names": {str(number): f"c{number}" for number in range(channels)},
        "labels": labels or {"background": 0, "cell": 1},
        "numTraining": cases,
        "file_ending": ending,
        **more,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def write_raw(root: Path, *, files: int = 1, channels: int = 1, test: int = 0) -> Path:
    """Three training cases, and some for the test, of one file a channel."""
    places = [("Tr", f"case{number}") for number in range(3)]
    places += [("Ts", f"other{number}") for number in range(test)]
    for seed, (place, name) in enumerate(places):
        for file in range(files):
            image = picture(channels=channels, seed=10 * seed + file)
            save(root / f"images{place}" / f"{name}_{file:04d}.png", image)
        save(root / f"labels{place}" / f"{name}.png", disc())
    return describe(root, channels=files * channels)


def looked(root: Path, **keys: object) -> tuple[Layout, Survey]:
    data = DataConfig.model_validate({"root": root, **keys})
    checked = check_data(data, task="segmentation", seed=0)
    return checked.layout, checked.refuse_defects()[1]


def test_names_channels_and_splits_are_read(tmp_path: Path) -> None:
    layout, found = looked(write_raw(tmp_path, files=2, test=2))
    assert guess_task(DataConfig(root=tmp_path)) == "segmentation"
    assert layout.kind == "nnunet"
    assert [(case.id, case.split) for case in layout.cases] == [
        *((f"case{number}", "train") for number in range(3)),
        *((f"other{number}", "test") for number in range(2)),
    ]
    assert found.channels == 2
    assert found.labels is not None
    assert found.labels.names == ("background", "cell")
    reader = CaseReader(channels=2, dtype=np.dtype(np.uint8))
    image = reader.image(layout.cases[1])
    for channel in range(2):
        path = tmp_path / "imagesTr" / f"case1_{channel:04d}.png"
        assert np.array_equal(image[..., channel], np.asarray(Image.open(path)))


def test_a_picture_may_hold_all_channels(tmp_path: Path) -> None:
    layout, found = looked(write_raw(tmp_path, channels=3))
    assert found.channels == 3
    assert layout.cases[0].channels == ()


def test_a_channel_that_is_missing_is_not_made_of_another(tmp_path: Path) -> None:
    root = write_raw(tmp_path, files=3)
    for channel in (1, 2):
        (root / "imagesTr" / f"case1_{channel:04d}.png").unlink()
    with pytest.raises(DataError, match=r"case1_0000\.png: has 1 channel and is the"):
        looked(root)


def test_pixels_to_ignore_are_known(tmp_path: Path) -> None:
    write_raw(tmp_path)
    mask = disc()
    mask[0] = 2
    save(tmp_path / "labelsTr" / "case0.png", mask)
    describe(tmp_path, labels={"background": 0, "cell": 1, "ignore": 2})
    labels = looked(tmp_path)[1].labels
    assert labels is not None
    assert (labels.names, labels.ignore_index) == (("background", "cell"), 2)


def test_the_config_may_name_classes_otherwise(tmp_path: Path) -> None:
    labels = looked(write_raw(tmp_path), classes=("ground", "nucleus"))[1].labels
    assert labels is not None
    assert labels.names == ("ground", "nucleus")


def test_test_images_without_labels_are_left_aside(tmp_path: Path) -> None:
    write_raw(tmp_path, test=1)
    (tmp_path / "labelsTs" / "other0.png").unlink()
    (tmp_path / "labelsTs").rmdir()
    layout, _ = looked(tmp_path)
    assert {case.split for case in layout.cases} == {"train"}
    assert "has no labelsTs beside it" in layout.notes[0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"background": 0, "whole": [1, 2], "core": 2}, "regions, .*: whole"),
        ({"background": 0, "cell": 2}, "without a gap"),
        ({"a": 1, "b": 2}, "background first"),
        ({"background": 0, "ignore": 1, "cell": 2}, "'ignore' last"),
        ({"0": "background", "1": "cell"}, "labels.0"),
        ({"background": 0}, "labels"),
    ],
)
def test_labels_that_can_not_be_learnt_are_refused(
    tmp_path: Path, labels: dict[str, object], message: str
) -> None:
    describe(write_raw(tmp_path), labels=labels)
    with pytest.raises(DataError, match=message):
        looked(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"labels": 1}', "\xff"])
def test_a_broken_description_is_named(tmp_path: Path, text: str) -> None:
    write_raw(tmp_path)
    (tmp_path / "dataset.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"dataset\.json is no description"):
        looked(tmp_path)


def test_everything_that_is_missing_or_surplus_is_listed(tmp_path: Path) -> None:
    write_raw(tmp_path, files=2)
    (tmp_path / "imagesTr" / "case0_0001.png").rename(
        tmp_path / "imagesTr" / "case0_0002.png"
    )
    (tmp_path / "labelsTr" / "case1.png").rename(tmp_path / "labelsTr" / "case9.png")
    save(tmp_path / "imagesTr" / "unnumbered.png", picture(channels=1))
    with pytest.raises(DataError) as error:
        looked(tmp_path)
    for message in (
        "stands for case0 with 0000, 0002; expected: one file for all 2 channels",
        "case1_0000.png: has no mask in labelsTr",
        "case9.png: belongs to no image",
        "unnumbered.png: names no case and channel; expected: CASE_0000.png",
    ):
        assert message in str(error.value)


@pytest.mark.parametrize("ending", [".xyz", ""])
def test_files_that_can_not_be_read_are_refused(tmp_path: Path, ending: str) -> None:
    describe(write_raw(tmp_path), ending=ending)
    with pytest.raises(DataError, match="file_ending is"):
        looked(tmp_path)


def same(one: Path, other: Path, **keys: object) -> None:
    """Two data sets hold the same pixels, ids and splits under the same names."""
    (first, about), (second, again) = looked(one, **keys), looked(other)
    by_name = [
        sorted(layout.cases, key=lambda case: case.id) for layout in (first, second)
    ]
    assert about.labels is not None
    assert again.labels is not None
    assert about.labels.foreground == again.labels.foreground
    for before, after in zip(*by_name, strict=True):
        assert before.id == after.id
        readers = [
            CaseReader(
                channels=found.channels,
                dtype=np.dtype(found.dtype),
                mask_values=found.mask_values,
            )
            for found in (about, again)
        ]
        images = [r.image(c) for r, c in zip(readers, (before, after), strict=True)]
        masks = [r.mask(c) for r, c in zip(readers, (before, after), strict=True)]
        assert images[0].dtype == images[1].dtype
        assert np.array_equal(*images)
        assert masks[0] is not None
        assert masks[1] is not None
        ignored = [
            mask == found.labels.ignore_index
            for mask, found in zip(masks, (about, again), strict=True)
            if found.labels
        ]
        assert np.array_equal(*ignored)
        assert np.array_equal(masks[0][~ignored[0]], masks[1][~ignored[1]])
        assert (before.split == "test") == (after.split == "test")


def convert(root: Path, out: Path, *more: str) -> Path:
    assert main(["convert", str(root), "-o", str(out), *more]) == 0
    return out


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_come_back(tmp_path: Path, channels: int) -> None:
    root = write_discs(tmp_path / "set", count=2, channels=channels)
    same(root, convert(root, tmp_path / "Dataset001_Discs"))


def test_values_that_are_mapped_and_pixels_to_ignore_come_back(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "set", value=255)
    mask = disc(value=255)
    mask[:2] = 7
    save(root / "masks" / "a.png", mask)
    out = convert(root, tmp_path / "Dataset001_Cells", "--data.ignore_index", "7")
    same(root, out, ignore_index=7)
    assert json.loads((out / "dataset.json").read_text())["labels"] == {
        "background": 0,
        "class_1": 1,
        "ignore": 2,
    }


def test_floats_come_back(tmp_path: Path) -> None:
    import tifffile

    root = write_pairs(tmp_path / "set")
    for seed, path in enumerate(sorted((root / "images").glob("*.png"))):
        pixels = picture(channels=1, seed=seed)[..., 0].astype(np.float32) / 3
        tifffile.imwrite(path.with_suffix(".tif"), pixels)
        path.unlink()
    same(root, convert(root, tmp_path / "Dataset001_Floats"))


def test_volumes_keep_every_bit(tmp_path: Path) -> None:
    root = write_balls(tmp_path / "set", count=2)
    out = convert(root, tmp_path / "Dataset001_Balls")
    same(root, out)
    for place, split in (("Tr", "train"), ("Ts", "test")):
        for number in range(2):
            name = f"{split}{number}"
            for kind, copy in (
                ("images", out / f"images{place}" / f"{name}_0000.nii.gz"),
                ("masks", out / f"labels{place}" / f"{name}.nii.gz"),
            ):
                source = root / split / kind / f"{name}.nii.gz"
                assert copy.read_bytes() == source.read_bytes()


def test_volumes_whose_masks_are_mapped_keep_their_place(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for seed in range(2):
        image, mask = ball((5, 20, 24), seed)
        write_volume(root / "images" / f"{seed}.nrrd", image)
        write_volume(root / "masks" / f"{seed}.nrrd", (mask > 0) * np.uint8(255))
    out = convert(root, tmp_path / "Dataset001_Balls")
    same(root, out)
    for seed in range(2):
        with (
            open_scan(root / "images" / f"{seed}.nrrd") as image,
            open_scan(out / "labelsTr" / f"{seed}.nrrd") as mask,
        ):
            assert image.space == mask.space


def test_a_raw_data_set_comes_back_from_one(tmp_path: Path) -> None:
    root = write_raw(tmp_path / "set", files=2, test=1)
    out = convert(root, tmp_path / "Dataset001_Again")
    same(root, out)
    before, after = (json.loads((f / "dataset.json").read_text()) for f in (root, out))
    assert before["channel_names"] == after["channel_names"]


def test_test_cases_that_are_drawn_are_apart(tmp_path: Path) -> None:
    root = write_pairs(tmp_path / "set")
    out = convert(root, tmp_path / "Dataset001_Cells", "--data.test_split", "0.5")
    assert len(list((out / "labelsTs").iterdir())) == 2
    assert json.loads((out / "dataset.json").read_text())["numTraining"] == 2


def test_what_nnunet_can_not_hold_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_pairs(tmp_path / "set")
    for name in ("a", "b", "c", "d"):
        for layer in ("one", "two"):
            save(root / "masks" / layer / f"{name}.png", disc())
        (root / "masks" / f"{name}.png").unlink()
    assert main(["convert", str(root), "-o", str(tmp_path / "out")]) == 1
    assert "classes that may overlap" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    there = write_pairs(tmp_path / "there")
    assert main(["convert", str(there), "-o", str(there)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert main(["convert", str(there), "-o", str(tmp_path / "o"), "--seed", "1"]) == 2
    assert "only keys of data" in capsys.readouterr().err


def test_several_files_a_case_are_one_case(tmp_path: Path) -> None:
    case = Case("a", tmp_path / "a_0000.png", channels=(tmp_path / "a_0001.png",))
    assert case.images == (tmp_path / "a_0000.png", tmp_path / "a_0001.png")
