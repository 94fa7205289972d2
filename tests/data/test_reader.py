from pathlib import Path

import numpy as np
import pytest
import tifffile

from segx.data.case import Case
from segx.data.mask_values import MaskValues
from segx.data.reader import CaseReader
from segx.errors import DataError, ScanError
from segx.geometry import Extent
from segx.labels import Labels
from tests.data.sets import disc, picture, save

BINARY = MaskValues(Labels("binary", ("background", "cell")), {0: 0, 255: 1})
PLANES = MaskValues(Labels("multilabel", ("cup", "rim")), {0: 0, 255: 1})
UINT8 = np.dtype(np.uint8)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    image = save(tmp_path / "a.png", picture())
    cup = save(tmp_path / "cup.png", disc(value=255))
    rim = save(tmp_path / "rim.png", disc() * 0)
    return Case("a", image, (cup, rim))


def test_stored_values_are_kept_and_mask_values_become_ids(case: Case) -> None:
    reader = CaseReader(3, UINT8, BINARY)
    assert np.array_equal(reader.image(case), picture())
    assert np.array_equal(reader.mask(case), disc())


def test_planes_stand_last(case: Case) -> None:
    mask = CaseReader(3, UINT8, PLANES).mask(case)
    assert mask is not None
    assert np.array_equal(mask[..., 0], disc())
    assert not mask[..., 1].any()


def test_without_masks_none_is_read(case: Case) -> None:
    case.masks[0].unlink()
    assert CaseReader(3, UINT8).mask(case) is None


@pytest.mark.parametrize("values", [None, BINARY, PLANES])
@pytest.mark.parametrize("resize", [None, Extent(9, 11), Extent(40, 33)])
@pytest.mark.parametrize("resize_masks", [True, False])
def test_shapes_are_known_before_reading(
    case: Case, values: MaskValues | None, resize: Extent | None, resize_masks: bool
) -> None:
    reader = CaseReader(3, UINT8, values, resize, resize_masks)
    stored = Extent(20, 24)
    mask = reader.mask(case)
    assert reader.image(case).shape == reader.image_shape(stored)
    assert (None if mask is None else mask.shape) == reader.mask_shape(stored)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_resizing_keeps_the_type_and_the_range(tmp_path: Path, dtype: type) -> None:
    extreme = np.where(picture(30, 30, channels=1) > 127, 255, 0).astype(np.uint8)
    case = Case("a", save(tmp_path / "a.png", extreme))
    image = CaseReader(1, np.dtype(dtype), resize=Extent(77, 13)).image(case)
    assert image.dtype == dtype
    assert (image.min() >= 0, image.max() <= 255) == (True, True)


@pytest.mark.parametrize("value", [np.uint8(77), np.uint32(2**32 - 1)])
def test_a_constant_image_stays_constant(tmp_path: Path, value: np.generic) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((30, 30), value))
    reader = CaseReader(1, value.dtype, resize=Extent(7, 50))
    assert (reader.image(Case("a", tmp_path / "a.tif")) == value).all()


def test_a_file_that_changed_is_named(case: Case) -> None:
    reader = CaseReader(3, UINT8, BINARY)
    save(case.masks[0], picture())
    with pytest.raises(DataError, match=r"cup\.png has 3 channels"):
        reader.mask(case)
    case.image.unlink()
    with pytest.raises(ScanError, match=r"a\.png"):
        reader.image(case)
