"""A data set in numbers: on pictures whose numbers are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segx.config import DataConfig
from segx.data.case import Task
from segx.data.defects import DefectsError
from segx.data.fingerprint import Fingerprint, take_fingerprint
from segx.data.layouts import guess_task
from segx.data.modality import guess_modality, is_upright
from segx.geometry import Extent
from tests.data.sets import disc, picture, save, write_classes, write_pairs
from tests.phantoms import write_balls


def taken(root: Path, task: Task = "segmentation", **keys: object) -> Fingerprint:
    data = DataConfig.model_validate({"root": root, **keys})
    return take_fingerprint(data, task=task, seed=0)


def ramp(rows: int = 40, cols: int = 40, *, seed: int = 0) -> np.ndarray:
    """Bright at the top, dark at the bottom, with some noise."""
    noise = np.random.default_rng(seed).normal(0, 20, (rows, cols))
    grey = np.linspace(220, 30, rows)[:, None] + noise
    return grey.clip(0, 255).astype(np.uint8)[..., None]


def test_a_set_in_numbers(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", "abcdef", rows=60, cols=90)
    write_pairs(tmp_path / "test", "xy", rows=60, cols=90)
    found = taken(tmp_path)
    assert found.cases == {"train": 6, "val": 0, "test": 2}
    assert found.class_names == ("background", "class_1")
    assert (found.channels, found.dtype, found.has_patients) == (3, "uint8", False)
    assert found.median_size == Extent(60, 90)
    assert found.thickness_px == pytest.approx(2 * 60 / 3, abs=2)
    assert not found.has_volumes
    # Even noise: half of it lies below the middle, and its channels lie far apart.
    assert found.brightness == pytest.approx(0.5, abs=0.05)
    assert found.colour == pytest.approx(0.5, abs=0.05)
    assert (found.low, found.high) == pytest.approx((1, 254), abs=2)


def test_only_training_images_are_measured(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", "abcdef")
    for stem in "xy":
        save(tmp_path / "test" / "images" / f"{stem}.png", picture(200, 200) // 8)
        save(tmp_path / "test" / "masks" / f"{stem}.png", disc(200, 200))
    found = taken(tmp_path)
    assert set(found.sizes) == {Extent(20, 24)}
    assert found.high > 250
    assert (found.thickness_px or 0) < 20


def test_the_thickest_of_overlapping_classes_counts(tmp_path: Path) -> None:
    for number, stem in enumerate("abcd"):
        save(tmp_path / "images" / f"{stem}.png", picture(60, 60, seed=number))
        save(tmp_path / "masks" / "large" / f"{stem}.png", disc(60, 60))
        line = np.zeros((60, 60), np.uint8)
        line[30:33] = 1
        save(tmp_path / "masks" / "line" / f"{stem}.png", line)
    assert taken(tmp_path).thickness_px == pytest.approx(40, abs=2)


def test_objects_are_measured_apart_from_their_surroundings(tmp_path: Path) -> None:
    for number, stem in enumerate("abcd"):
        mask = disc(40, 40)
        image = np.where(mask == 1, 1000 + number, 50_000).astype(np.uint16)
        save(tmp_path / "masks" / f"{stem}.png", mask)
        (tmp_path / "images").mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / "images" / f"{stem}.tif", image)
    found = taken(tmp_path)
    assert found.foreground is not None
    assert 1000 <= found.foreground[0] <= found.foreground[1] <= 1003
    assert (found.dtype, found.colour) == ("uint16", None)


def test_grey_stored_as_rgb_has_no_colour(tmp_path: Path) -> None:
    for number, stem in enumerate("abcd"):
        grey = picture(channels=1, seed=number).repeat(3, axis=2)
        save(tmp_path / "images" / f"{stem}.png", grey)
        save(tmp_path / "masks" / f"{stem}.png", disc())
    assert taken(tmp_path).colour == 0


def write_ramps(root: Path, *, turned: bool) -> Path:
    for number in range(12):
        image = ramp(seed=number)
        image = image[::-1] if turned and number % 2 else image
        save(root / "images" / f"{number}.png", np.ascontiguousarray(image))
        save(root / "masks" / f"{number}.png", disc(40, 40))
    return root


def test_images_that_are_held_one_way_are_told_from_others(tmp_path: Path) -> None:
    assert is_upright(taken(write_ramps(tmp_path / "held", turned=False)))
    assert not is_upright(taken(write_ramps(tmp_path / "loose", turned=True)))
    for number in range(12):
        save(
            tmp_path / "noise" / "images" / f"{number}.png",
            picture(40, 40, seed=number),
        )
        save(tmp_path / "noise" / "masks" / f"{number}.png", disc(40, 40))
    assert not is_upright(taken(tmp_path / "noise"))


def test_a_few_images_do_not_tell_how_they_are_held(tmp_path: Path) -> None:
    assert taken(write_pairs(tmp_path, "abcd")).upright is None


def test_classes_of_images_have_no_objects(tmp_path: Path) -> None:
    found = taken(write_classes(tmp_path, {"cat": 12, "dog": 4}), "classification")
    assert found.class_names == ("cat", "dog")
    assert found.class_fractions["cat"] == pytest.approx(0.75, abs=0.1)
    assert found.thickness_px is None
    assert found.foreground is None
    assert found.labels is None


def test_volumes_have_planes_and_spacing(tmp_path: Path) -> None:
    found = taken(write_balls(tmp_path, splits=("train",), shape=(9, 20, 24)))
    assert found.has_volumes
    assert found.spacing_mm == (2.0, 1.0, 0.5)
    assert 9 <= min(found.planes) <= max(found.planes) <= 12
    assert found.median_size == Extent(20, 24)
    assert found.scale_ratio > 4


def test_defects_are_listed_as_by_check(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    (tmp_path / "images" / "a.png").write_bytes(b"nothing")
    with pytest.raises(DefectsError, match=r"a\.png"):
        taken(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "modality", "upright"),
    [
        ("isbi2012_em", "grey", False),
        ("drive", "photograph", False),
        ("wbc_dataset2", "stain", False),
        ("shenzhen_cxr_lung", "grey", True),
        ("busi_classification", "grey", True),
        ("hippocampus3d", "mri", None),
    ],
)
def test_real_sets_are_told_apart(
    shared_data: Callable[[str], Path], name: str, modality: str, upright: bool | None
) -> None:
    root = shared_data(name)
    found = taken(root, guess_task(DataConfig(root=root)))
    assert guess_modality(found).modality == modality
    assert upright is None or is_upright(found) == upright
