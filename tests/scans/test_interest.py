"""Regions of interest, held against the masks that they were made of and shapely."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segx.errors import ScanError
from segx.geometry import Region
from segx.labels import Labels
from segx.scans.files import open_scan
from segx.scans.interest import PolygonInterest, open_interest
from segx.scans.memory import ArrayScan
from segx.scans.polygons import Polygons

BINARY = Labels("binary", ("background", "cell"))
Mask = NDArray[np.uint8]


def _scan(rows: int, cols: int, *, path: str = "scan.png") -> ArrayScan:
    return ArrayScan(np.zeros((rows, cols), np.uint8), path=Path(path))


def _whole(path: Path, scan: ArrayScan) -> NDArray[np.bool_]:
    with open_interest(path, like=scan) as interest:
        return interest.inside(Region.whole(scan.extent))


def _write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@given(st.integers(0, 2**32), st.integers(1, 24), st.integers(1, 24), st.data())
def test_polygons_of_a_mask_give_the_mask_back_also_in_parts(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    rows: int,
    cols: int,
    data: st.DataObject,
) -> None:
    random = np.random.default_rng(seed)
    mask = (random.random((rows, cols)) < 0.5).astype(np.uint8)
    path = tmp_path_factory.mktemp("region") / "scan.geojson"
    mask[0, 0] = 1  # a file without polygons is refused
    scan = _scan(rows, cols)
    with Polygons(path, like=scan, labels=BINARY) as sink:
        sink.write(Region.whole(scan.extent), mask)
    assert np.array_equal(_whole(path, scan), mask == 1)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    part = Region(top, left, rows - top, cols - left)
    with open_interest(path, like=scan) as interest:
        assert np.array_equal(interest.inside(part), mask[part.slices] == 1)


@given(st.lists(st.tuples(st.floats(-5, 45), st.floats(-5, 35)), min_size=3))
def test_a_polygon_holds_the_centres_that_lie_inside(
    corners: list[tuple[float, float]],
) -> None:
    polygon = shapely.Polygon(corners)
    if not polygon.is_valid:
        return  # what lies in a ring that crosses itself is a matter of rules
    found = PolygonInterest([[np.array(corners)]]).inside(Region(0, 0, 30, 40))
    for row in range(30):
        for col in range(40):
            centre = shapely.Point(col + 0.5, row + 0.5)
            if polygon.boundary.distance(centre) > 1e-9:
                assert found[row, col] == polygon.contains(centre)


def test_polygons_lie_in_pixels_of_the_full_resolution(tmp_path: Path) -> None:
    square = [[8, 4], [16, 4], [16, 12], [8, 12], [8, 4]]
    path = _write(tmp_path / "a.json", {"type": "Polygon", "coordinates": [square]})
    scan = _scan(6, 12)
    scan.level0_scale = (2.0, 4.0)
    wanted = np.zeros((6, 12), bool)
    wanted[2:6, 2:4] = True
    assert np.array_equal(_whole(path, scan), wanted)


def test_polygons_are_found_in_whatever_they_stand_in(tmp_path: Path) -> None:
    def square(left: int) -> list[list[list[int]]]:
        return [[[left, 0], [left + 1, 0], [left + 1, 1], [left, 1]]]

    polygon = {"type": "Polygon", "coordinates": square(0)}
    several = {"type": "MultiPolygon", "coordinates": [square(2), square(4)]}
    content = [
        {"type": "Feature", "geometry": polygon, "properties": {}},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [9, 0]}},
        {"type": "FeatureCollection", "features": [{"type": "Feature"}]},
        {"type": "GeometryCollection", "geometries": [several]},
    ]
    found = _whole(_write(tmp_path / "a.geojson", content), _scan(1, 10))
    assert np.flatnonzero(found[0]).tolist() == [0, 2, 4]


@given(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12))
def test_a_smaller_mask_covers_the_scan(
    tmp_path_factory: pytest.TempPathFactory, factor: int, rows: int, cols: int
) -> None:
    mask = np.random.default_rng(rows * cols).integers(0, 2, (rows, cols), np.uint8)
    mask[-1, -1] = 1  # one that covers nothing is refused
    path = tmp_path_factory.mktemp("region") / "region.png"
    Image.fromarray(mask * 255).save(path)
    scan = _scan(rows * factor, cols * factor)
    wanted = mask.repeat(factor, axis=0).repeat(factor, axis=1) == 1
    assert np.array_equal(_whole(path, scan), wanted)
    lower = Region(rows * factor // 2, 0, scan.extent.rows - rows * factor // 2, 1)
    with open_interest(path, like=scan) as interest:
        assert np.array_equal(interest.inside(lower), wanted[lower.slices])


def test_a_folder_holds_a_region_for_each_scan_by_its_stem(tmp_path: Path) -> None:
    for name, cols in (("a.png", 1), ("b.png", 3), ("b.txt", 2)):
        mask = np.zeros((2, 3), np.uint8)
        mask[:, :cols] = 255
        Image.fromarray(mask).save(tmp_path / name, "PNG")
    assert _whole(tmp_path, _scan(2, 3, path="x/a.tif")).sum() == 2
    assert _whole(tmp_path, _scan(2, 3, path="x/b.tif")).all()
    with pytest.raises(ScanError, match=r"holds none; it must hold one.*c\.geojson"):
        open_interest(tmp_path, like=_scan(2, 3, path="c.tif"))
    (tmp_path / "b.geojson").write_text("{}")
    with pytest.raises(ScanError, match=r"holds b\.geojson, b\.png"):
        open_interest(tmp_path, like=_scan(2, 3, path="b.tif"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can't be read"),
        ("[]", "holds no polygon"),
        ('{"type": "Polygon", "coordinates": []}', "three points"),
        ('{"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}', "three points"),
        ('{"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [NaN, 0]]]}', "numbers"),
        ('{"type": "Polygon", "coordinates": [[0, 1, 2]]}', "can't be read"),
        ('{"type": "Polygon"}', "can't be read"),
    ],
)
def test_what_is_no_polygon_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(text)
    with pytest.raises(ScanError, match=message):
        open_interest(path, like=_scan(4, 4))


def test_a_click_that_drew_no_area_marks_nothing(tmp_path: Path) -> None:
    point, square = [[2, 2]] * 4, [[1, 1], [3, 1], [3, 3], [1, 3]]
    polygons = {"type": "MultiPolygon", "coordinates": [[point], [square]]}
    found = _whole(_write(tmp_path / "a.json", polygons), _scan(6, 6))
    assert found.sum() == 4
    polygons["coordinates"] = [[point]]
    with pytest.raises(ScanError, match="no pixel"):
        open_interest(_write(tmp_path / "b.json", polygons), like=_scan(6, 6))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_opaque_alpha_channel_marks_nothing(tmp_path: Path, mode: str) -> None:
    marked = np.zeros((6, 6), np.uint8)
    marked[2:4, 1:5] = 255
    path = tmp_path / "region.png"
    Image.fromarray(marked).convert(mode).save(path)
    assert np.array_equal(_whole(path, _scan(6, 6)), marked == 255)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_volume_is_cut_as_the_scan_is(tmp_path: Path, axis: int) -> None:
    volumes = pytest.importorskip("tests.scans.volumes")
    image = volumes.Volume(volumes.noise(5, 5, 5)).write(tmp_path / "a.nii.gz")
    marked = np.zeros((5, 5, 5), np.uint8)
    marked[1, 2:4, 3] = 1
    region = volumes.Volume(marked).write(tmp_path / "region.nii.gz")
    planes = np.moveaxis(marked, axis, 0)
    with open_scan(image, axis=axis) as scan:
        with open_interest(region, like=scan, axis=axis) as interest:
            for number, plane in enumerate(planes):
                found = interest.inside(Region.whole(scan.extent), plane=number)
                assert np.array_equal(found, plane == 1)
        elsewhere = volumes.Volume(marked, origin=(0.0, 0.0, 0.0))
        moved = elsewhere.write(tmp_path / "moved.nii.gz")
        with pytest.raises(ScanError, match="lies elsewhere in the patient"):
            open_interest(moved, like=scan, axis=axis)


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "region.png"
    Image.fromarray(np.ones((10, 20), np.uint8)).save(path)
    with pytest.raises(ScanError, match=r"10x20 px.*20x20 px.*shapes differ"):
        open_interest(path, like=_scan(20, 20))
    open_interest(path, like=_scan(41, 80)).close()  # halved twice, and rounded


@pytest.mark.parametrize("planes", [1, 3])
def test_pixels_inside_are_counted_over_all_blocks_and_planes(
    tmp_path: Path, planes: int
) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (1100, 7), np.uint8)
    path = tmp_path / "region.png"
    Image.fromarray(mask).save(path)
    scan = _scan(1100, 7)
    scan.planes = planes
    with open_interest(path, like=scan) as interest:
        assert interest.pixels_of(scan) == planes * int(mask.sum())


def test_a_region_beside_the_scan_is_refused(tmp_path: Path) -> None:
    square = [[300, 300], [310, 300], [310, 310], [300, 310]]
    path = _write(tmp_path / "a.json", {"type": "Polygon", "coordinates": [square]})
    with pytest.raises(ScanError, match=r"no pixel of scan\.png \(300x300 px\); check"):
        open_interest(path, like=_scan(300, 300))
    open_interest(path, like=_scan(301, 301)).close()
