from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segx.data.case import Case
from segx.data.examine import CaseFacts, examine
from tests.data.sets import disc, picture, save


def facts(case: Case, channels: int | None = None) -> CaseFacts:
    found = examine(case, channels=channels)
    assert found.facts is not None, found.findings
    return found.facts


def problems(case: Case, channels: int | None = None) -> str:
    found = examine(case, channels=channels)
    return " | ".join(map(str, found.findings))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    image = save(tmp_path / "a.png", picture())
    return Case("a", image, (save(tmp_path / "m.png", disc(value=255)),))


def with_mask(case: Case, array: np.ndarray, name: str = "m.tif") -> Case:
    path = case.image.parent / name
    tifffile.imwrite(path, array)
    return Case("a", case.image, (path,))


def test_a_case_is_counted(case: Case) -> None:
    found = facts(case)
    count = int((disc() == 1).sum())
    assert found.values == ({0: 480 - count, 255: count},)
    assert (found.channels, found.dtype) == (3, np.uint8)
    assert found.sample.shape == (480, 3)


def test_masks_are_read_as_indices(case: Case) -> None:
    mask = Image.fromarray(disc(value=2)).convert("P")
    mask.putdata(disc(value=2).ravel().tolist())
    mask.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    mask.save(case.masks[0])
    assert set(facts(case).values[0]) == {0, 2}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32])
def test_whole_numbers_of_any_width_are_values(case: Case, dtype: type) -> None:
    assert set(facts(with_mask(case, disc().astype(dtype))).values[0]) == {0, 1}


def test_a_picture_instead_of_a_mask_is_explained(case: Case) -> None:
    save(case.masks[0], picture())
    assert "picture with 3 channels" in (text := problems(case))
    assert "Store ids instead of colours" in text
    save(case.masks[0], np.repeat(disc()[..., np.newaxis], 3, axis=2))
    assert "Keep one of its equal channels" in problems(case)


def test_values_that_are_no_ids_are_refused(case: Case) -> None:
    assert "holds float32" in problems(with_mask(case, disc().astype(np.float32)))
    assert "-1 … 0" in problems(with_mask(case, -disc().astype(np.int16)))
    assert "70000" in problems(with_mask(case, disc().astype(np.uint32) * 70000))


def test_a_mask_of_another_size_is_refused_with_both_sizes(case: Case) -> None:
    save(case.masks[0], disc(20, 25))
    assert "20x25 px" in (text := problems(case))
    assert "20x24 px" in text
    save(case.masks[0], disc(24, 20))
    assert "One of them is turned" in problems(case)


def test_all_that_is_wrong_with_a_case_comes_at_once(case: Case) -> None:
    other = save(case.image.parent / "n.png", picture())
    case.image.write_bytes(case.image.read_bytes()[:200])
    text = problems(Case("a", case.image, (case.masks[0], other)))
    assert str(case.image) in text
    assert "n.png" in text


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_a_file_cut_short_is_named(case: Case, suffix: str, share: float) -> None:
    path = save(case.image.with_suffix(suffix), picture(64, 64))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert str(path) in problems(Case("a", path))


def test_nan_is_refused_and_counted(tmp_path: Path) -> None:
    image = np.ones((8, 8), np.float32)
    image[2, 3:5] = np.nan, np.inf
    tifffile.imwrite(tmp_path / "a.tif", image)
    assert "NaN or infinity in 2 values" in problems(Case("a", tmp_path / "a.tif"))


def test_an_opaque_alpha_channel_does_not_count(tmp_path: Path) -> None:
    image = picture(channels=4)
    image[..., 3] = 255
    opaque = facts(Case("a", save(tmp_path / "a.png", image)))
    assert (opaque.stored_channels, opaque.channels) == (4, 3)
    clear = facts(Case("b", save(tmp_path / "b.png", picture(channels=4))))
    assert (clear.stored_channels, clear.channels) == (4, 4)


def test_an_image_that_can_not_have_the_channels_asked_for_is_refused(
    case: Case,
) -> None:
    assert facts(case, channels=3).channels == 3
    assert "3 channels" in problems(case, channels=1)


def test_deep_images_give_a_sample_of_pixels(tmp_path: Path) -> None:
    image = np.arange(300 * 200, dtype=np.uint16).reshape(300, 200)
    tifffile.imwrite(tmp_path / "a.tif", image)
    sample = facts(Case("a", tmp_path / "a.tif")).sample
    assert sample.shape == (4096, 1)
    assert (sample.min(), sample.max()) == (0, 59999)
