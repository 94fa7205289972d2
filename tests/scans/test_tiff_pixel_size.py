from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segx.geometry import Space
from segx.scans.tiff import TiffScan
from tests.scans.pictures import colour

_PICTURE = colour()[..., 0]
_STACK = np.zeros((3, 20, 30), np.uint8)


def _spacing(path: Path, pixels: np.ndarray, **options: Any) -> Any:
    tifffile.imwrite(path, pixels, photometric="minisblack", **options)
    with TiffScan(path) as scan:
        return scan.spacing_mm


@pytest.mark.parametrize(
    ("unit", "mm"),
    [("µm", 1e-3), ("nm", 1e-6), ("mm", 1.0), ("pixel", None), (None, 1e-3)],
)
def test_ome_tells_the_pixel_size_in_its_unit(
    tmp_path: Path, unit: str | None, mm: float | None
) -> None:
    metadata: dict[str, Any] = {"PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    if unit is not None:
        metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    found = _spacing(tmp_path / "a.ome.tif", _PICTURE, metadata=metadata)
    assert found == (pytest.approx((0.5 * mm, 0.25 * mm)) if mm else None)


def test_of_an_ome_tiff_without_a_size_the_tags_are_asked(tmp_path: Path) -> None:
    tags = {"resolution": (40_000, 20_000), "resolutionunit": "CENTIMETER"}
    found = _spacing(tmp_path / "a.ome.tif", _PICTURE, metadata={}, **tags)
    assert found == pytest.approx((0.0005, 0.00025))


@pytest.mark.parametrize("kind", ["a.ome.tif", "imagej"])
def test_a_volume_has_a_place(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("a.tif" if kind == "imagej" else kind)
    metadata: dict[str, Any] = {"axes": "ZYX"}
    options: dict[str, Any] = {}
    if kind == "imagej":
        metadata |= {"spacing": 2.0, "unit": "um"}
        options = {"imagej": True, "resolution": (4.0, 2.0)}
    else:
        metadata |= {"PhysicalSizeZ": 2, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.25}
    spacing = _spacing(path, _STACK, metadata=metadata, **options)
    assert spacing == pytest.approx((0.0005, 0.00025))
    with TiffScan(path) as scan:
        assert isinstance(scan.space, Space)
        assert scan.space.spacing_mm == pytest.approx((0.002, 0.0005, 0.00025))


def test_planes_in_time_have_no_place(tmp_path: Path) -> None:
    metadata = {"axes": "TYX", "PhysicalSizeZ": 2, "PhysicalSizeY": 1}
    path = tmp_path / "a.ome.tif"
    _spacing(path, _STACK, metadata=metadata | {"PhysicalSizeX": 1})
    with TiffScan(path) as scan:
        assert scan.space is None
        assert scan.spacing_mm == pytest.approx((0.001, 0.001))


def test_an_aperio_slide_tells_its_microns(tmp_path: Path) -> None:
    description = "Aperio Image Library v1\r\n30x24 |AppMag = 20|MPP = 0.4990"
    options = {"description": description, "metadata": None, "tile": (16, 16)}
    found = _spacing(tmp_path / "a.tif", _PICTURE, **options)
    assert found == pytest.approx((0.000499, 0.000499))


def test_a_picture_on_its_side_has_its_pixel_turned_too(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "resolution": (40_000, 20_000),
        "resolutionunit": "CENTIMETER",
        "extratags": [(0x0112, "H", 1, 6, True)],
    }
    found = _spacing(tmp_path / "a.tif", _PICTURE, **options)
    assert found == pytest.approx((0.00025, 0.0005))
