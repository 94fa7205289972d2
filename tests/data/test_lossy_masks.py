"""Masks that JPEG went through: never taken for what they say without a word."""

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segx.config import DataConfig
from segx.data.check import CheckedData, check_data
from segx.data.defects import Code, Finding
from tests.data.sets import disc, save, write_pairs

STEMS = tuple(f"{number:02d}" for number in range(12))


def look(root: Path) -> CheckedData:
    return check_data(DataConfig(root=root), task="segmentation", seed=0)


def findings(root: Path, *codes: Code) -> list[Finding]:
    return [item for item in look(root).findings if item.code in codes]


def three_classes(folder: Path) -> Path:
    write_pairs(folder, STEMS)
    for stem in STEMS:
        ids = disc()
        ids[:3] = 2
        save(folder / "masks" / f"{stem}.png", ids)
    return folder


def replace_mask(root: Path, stem: str, stored: NDArray[np.uint8]) -> Path:
    """Store a mask as JPEG instead."""
    (root / "masks" / f"{stem}.png").unlink()
    path = root / "masks" / f"{stem}.jpg"
    Image.fromarray(stored).save(path, quality=95)
    return path


def test_a_value_that_jpeg_made_up_is_no_class(tmp_path: Path) -> None:
    root = three_classes(tmp_path)
    ids = disc()
    ids[:3] = 2
    ids[-8:, -8:] = 3  # a whole block, which JPEG keeps: ids 0 … 3 have no gap
    path = replace_mask(root, "03", ids)
    assert 3 in np.asarray(Image.open(path))
    checked = look(root)
    assert [item.file for item in checked.errors] == [path]
    assert checked.errors[0].code is Code.LOSSY_MASK
    values = checked.common.mask_values
    assert values is not None
    assert values.labels.names == ("background", "class_1", "class_2")


def test_a_jpeg_of_known_values_is_a_warning(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, STEMS)
    path = replace_mask(root, "03", np.zeros((20, 24), np.uint8))
    checked = look(root)
    assert not checked.errors
    assert [f.file for f in checked.warnings if f.code is Code.LOSSY_FORMAT] == [path]


def test_a_set_of_jpeg_masks_alone_is_warned_of_each(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, STEMS)
    for stem in STEMS:
        half = np.zeros((24, 24), np.uint8)
        half[8:16] = 255  # whole blocks: nothing changes
        save(root / "images" / f"{stem}.png", np.eye(24, dtype=np.uint8) * int(stem))
        replace_mask(root, stem, half)
    assert len(findings(root, Code.LOSSY_FORMAT, Code.LOSSY_MASK)) == len(STEMS)


def test_a_tiff_that_holds_jpegs_is_lossy_and_another_is_not(tmp_path: Path) -> None:
    root = write_pairs(tmp_path, STEMS)
    for stem, compression in (("03", "jpeg"), ("04", "deflate"), ("05", None)):
        (root / "masks" / f"{stem}.png").unlink()
        stored = np.zeros((20, 24), np.uint8)
        path = root / "masks" / f"{stem}.tif"
        tifffile.imwrite(path, stored, compression=compression)
    (found,) = findings(root, Code.LOSSY_FORMAT)
    assert found.file.name == "03.tif"


def test_a_few_pixels_that_no_other_mask_holds_are_doubted(tmp_path: Path) -> None:
    root = tmp_path
    write_pairs(root, STEMS, rows=160, cols=160)
    for stem, pixels in (("03", 2), ("04", 0)):
        ids = disc(160, 160)
        ids[0, :pixels] = 2
        save(root / "masks" / f"{stem}.png", ids)
    (found,) = findings(root, Code.STRAY_CLASS)
    assert found.file == root / "masks" / "03.png"
    assert "2 (2 px)" in found.found
    assert "Compression noise" in found.fix


def test_a_rare_class_in_two_masks_is_not_doubted(tmp_path: Path) -> None:
    write_pairs(tmp_path, STEMS, rows=160, cols=160)
    ids = disc(160, 160)
    ids[0, :2] = 2
    for stem in ("03", "04"):
        save(tmp_path / "masks" / f"{stem}.png", ids)
    assert findings(tmp_path, Code.STRAY_CLASS) == []
