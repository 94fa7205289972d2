import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segx.config import DataConfig
from segx.data.case import Task
from segx.data.check import CheckedData, check_data
from segx.data.defects import Code, DefectsError
from segx.data.survey import Survey
from segx.errors import ScanError
from segx.scans import open_scan
from tests.data.sets import disc, picture, save, write_classes, write_pairs
from tests.phantoms import ball, write_volume


def check(root: Path, task: Task = "segmentation", **keys: object) -> CheckedData:
    data = DataConfig.model_validate({"root": root, **keys})
    return check_data(data, task=task, seed=0)


def look(root: Path, task: Task = "segmentation", **keys: object) -> Survey:
    return check(root, task, **keys).refuse_defects()[1]


def problems(root: Path, **keys: object) -> str:
    with pytest.raises(DefectsError) as caught:
        look(root, **keys)  # type: ignore[arg-type]
    return str(caught.value)


def test_a_set_is_summed_up(tmp_path: Path) -> None:
    found = look(write_pairs(tmp_path, value=255))
    assert found.labels is not None
    assert found.labels.kind == "binary"
    assert found.value_map == {0: 0, 255: 1}
    assert (found.channels, found.dtype) == (3, "uint8")
    assert set(found.extents) == {"a", "b", "c", "d"}
    assert found.class_fractions["class_1"] == pytest.approx((disc() > 0).mean())
    scale = found.intensity(mean=0.5, std=0.5)
    assert (scale.low, scale.high) == ((0,) * 3, (255,) * 3)


def test_the_map_of_mask_values_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="segx"):
        check(write_pairs(tmp_path, value=255)).log_warnings()
    assert "{0: 0, 255: 1}" in caplog.text


def test_every_defect_of_every_file_comes_at_once(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["good", "cut", "size", "rgb", "odd"])
    cut = tmp_path / "images" / "cut.png"
    cut.write_bytes(cut.read_bytes()[:100])
    save(tmp_path / "masks" / "size.png", disc(9, 9))
    save(tmp_path / "masks" / "rgb.png", picture())
    save(tmp_path / "masks" / "odd.png", disc(value=200))
    text = problems(tmp_path)
    for name in ("cut.png", "size.png", "rgb.png", "odd.png: holds 200"):
        assert name in text
    assert "good.png" not in text


def test_grey_and_opaque_images_go_along_with_rgb(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a", "b", "c"])
    save(tmp_path / "images" / "b.png", picture(channels=1))
    opaque = picture(channels=4)
    opaque[..., 3] = 255
    save(tmp_path / "images" / "c.png", opaque)
    assert look(tmp_path).channels == 3


def test_channels_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a", "b", "c"])
    save(tmp_path / "images" / "b.png", picture(channels=4))
    assert "b.png: has 4 channels; expected: 3" in (text := problems(tmp_path))
    assert "a.png" not in text
    assert "b.png" in (text := problems(tmp_path, channels=3))
    assert "transparent" in text


def test_grey_images_can_be_read_as_rgb_and_back(tmp_path: Path) -> None:
    write_pairs(tmp_path, channels=1)
    assert look(tmp_path).channels == 1
    assert look(tmp_path, channels=3).channels == 3


def test_types_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["a", "b", "c"], channels=1)
    (tmp_path / "images" / "c.png").unlink()
    deep = picture(channels=1)[..., 0].astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "images" / "c.tif", deep)
    text = problems(tmp_path)
    assert "c.tif: holds uint16 values; expected: uint8, as 2 images" in text


def write_deep(root: Path, factor: float, dtype: type, splits: tuple[str, ...]) -> None:
    for number, name in enumerate(splits):
        image = picture(40, 40, channels=1, seed=number)[..., 0] * (factor**number)
        path = root / name / "images" / f"{name}.tif"
        save(root / name / "masks" / f"{name}.png", disc(40, 40))
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, image.astype(dtype))


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_deep_images_are_scaled_by_percentiles_of_training_alone(
    tmp_path: Path, dtype: type
) -> None:
    write_deep(tmp_path, 100.0, dtype, ("train", "val"))
    scale = look(tmp_path).intensity(mean=0.0, std=1.0)
    assert 0 <= scale.low[0] < 5
    assert 250 < scale.high[0] <= 255


def test_nearly_constant_images_are_scaled_by_their_extremes(tmp_path: Path) -> None:
    write_deep(tmp_path, 1.0, np.uint16, ("train", "val"))
    flat = np.zeros((40, 40), np.uint16)
    flat[0, 0] = 900
    tifffile.imwrite(tmp_path / "train" / "images" / "train.tif", flat)
    found = look(tmp_path)
    assert (found.low, found.high) == ((0,), (900,))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_a_window_takes_the_place_of_what_the_images_say(
    tmp_path: Path, dtype: type
) -> None:
    write_deep(tmp_path, 10.0, dtype, ("train", "val"))
    scale = look(tmp_path, window=[-150, 250]).intensity(mean=0.5, std=0.5)
    assert (scale.low, scale.high) == ((-150,), (250,))
    assert scale.source == "window from -150 to 250"


def test_how_images_are_scaled_can_be_chosen(tmp_path: Path) -> None:
    write_pairs(tmp_path, channels=1)
    assert look(tmp_path).scan_ranges == {}
    measured = look(tmp_path, intensity="percentile")
    assert 0 < measured.low[0] < 10
    assert 245 < measured.high[0] < 255
    single = look(tmp_path, intensity="scan_zscore")
    for stem in "abcd":
        pixels = picture_of(tmp_path / "images" / f"{stem}.png")
        (low,), (high,) = single.scan_ranges[stem]
        assert (low + high) / 2 == pytest.approx(pixels.mean())
        assert (high - low) / 6 == pytest.approx(pixels.std())
    scale = single.intensity(mean=0.5, std=0.5)
    assert scale.of_each_scan == "zscore"


def picture_of(path: Path) -> np.ndarray:
    with open_scan(path) as scan:
        return scan.read_all()


def test_blank_training_images_are_refused(tmp_path: Path) -> None:
    write_deep(tmp_path, 1.0, np.uint16, ("train", "val"))
    blank = np.zeros((40, 40), np.uint16)
    tifffile.imwrite(tmp_path / "train" / "images" / "train.tif", blank)
    assert "train.tif: holds 0 everywhere" in problems(tmp_path)


@pytest.mark.parametrize("intensity", ["auto", "scan_percentile", "scan_zscore"])
def test_an_empty_channel_beside_others_is_none_and_is_told(
    tmp_path: Path, intensity: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_pairs(tmp_path)
    for number, path in enumerate(sorted((tmp_path / "images").iterdir())):
        image = picture(seed=number).astype(np.uint16) * 9
        image[..., 1] = 7
        tifffile.imwrite(path.with_suffix(".tif"), image)
        path.unlink()
    with caplog.at_level(logging.WARNING, logger="segx"):
        found = look(tmp_path, intensity=intensity)
    scale = found.intensity(mean=0, std=1)
    with open_scan(tmp_path / "images" / "a.tif") as scan:
        unit = scale.fitted_to(scan).unit(scan.read_all())
    assert not unit[..., 1].any()
    assert unit[..., 0].max() > 0.7
    if intensity == "auto":
        assert "Channel 1 of the training images holds one value" in caplog.text


def test_types_of_volumes_differ_wherever_the_other_one_stands(tmp_path: Path) -> None:
    for name, dtype in (("train", np.uint8), ("val", np.int16)):
        image, mask = ball((5, 20, 24), 1)
        write_volume(tmp_path / name / "images" / f"{name}.nrrd", image.astype(dtype))
        write_volume(tmp_path / name / "masks" / f"{name}.nrrd", mask)
    assert look(tmp_path).scan_scale == "percentile"
    assert look(tmp_path, window=[0, 99]).scan_scale is None
    source = look(tmp_path, intensity="percentile").intensity_source
    assert source.startswith("percentiles")


def test_a_class_that_a_split_lacks_is_a_warning(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        write_pairs(tmp_path / name, [f"{name}1", f"{name}2"])
    save(tmp_path / "test" / "masks" / "test1.png", disc(value=2))
    found = check(tmp_path).findings
    assert {finding.code for finding in found} == {Code.ABSENT_CLASS}
    assert [str(finding.fix).split(".")[0] for finding in found] == [
        "It can't be learnt",
        "Its validation scores are undefined",
    ]


def test_ignored_pixels_are_no_share_of_any_class(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    for name in "abcd":
        mask = disc()
        mask[:5] = 255
        save(tmp_path / "masks" / f"{name}.png", mask)
    found = look(tmp_path, ignore_index=255)
    assert sum(found.class_fractions.values()) == pytest.approx(1)
    expected = (disc()[5:] > 0).mean()
    assert found.class_fractions["class_1"] == pytest.approx(expected)


def test_planes_are_counted_one_by_one(tmp_path: Path) -> None:
    for number, stem in enumerate("abc"):
        save(tmp_path / "images" / f"{stem}.png", picture(seed=number))
        save(tmp_path / "masks" / "disc" / f"{stem}.png", disc(value=255))
        save(tmp_path / "masks" / "all" / f"{stem}.png", disc() * 0 + 255)
    shares = look(tmp_path).class_fractions
    assert shares["all"] == 1
    assert shares["disc"] == pytest.approx((disc() > 0).mean())


def test_classification_counts_cases(tmp_path: Path) -> None:
    root = write_classes(tmp_path, {"cat": 8, "dog": 24})
    found = look(root, "classification")
    assert found.labels is None
    assert found.class_fractions["cat"] == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(
    ("name", "channels", "names"),
    [("isbi2012_em", 1, 2), ("drive", 3, 2), ("wbc_dataset2", 3, 3)],
)
def test_real_sets_are_surveyed(
    shared_data: Callable[[str], Path], name: str, channels: int, names: int
) -> None:
    checked = check(shared_data(name))
    assert checked.findings == ()
    _, found = checked.refuse_defects()
    assert found.labels is not None
    assert (found.channels, len(found.labels.names)) == (channels, names)


def test_scans_of_another_type_than_the_range_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, channels=1)
    scale = look(tmp_path).intensity(mean=0.5, std=0.5)
    assert scale.dtype == "uint8"
    with pytest.raises(ScanError, match="holds uint16 values, and the scale is"):
        scale(np.zeros((4, 4, 1), np.uint16))
