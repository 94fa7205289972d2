"""Polygons, held against shapely, scipy, and the mask that they were made of."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from shapely.geometry import shape

from segx.errors import ScanError
from segx.geometry import Region
from segx.labels import Labels
from segx.scans.files import create_mask
from segx.scans.memory import ArrayScan
from segx.scans.polygons import Polygons

BINARY = Labels("binary", ("background", "cell"))
THREE = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
LAYERS = Labels("multilabel", ("red", "green"))
Mask = NDArray[np.uint8]


@st.composite
def masks(draw: st.DrawFn, labels: Labels = BINARY) -> Mask:
    """Ids, (planes, rows, cols[, classes]): noise, which touches itself at corners."""
    planes = draw(st.sampled_from([1, 1, 3]))
    rows, cols = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    layers = (2,) if labels.kind == "multilabel" else ()
    largest = 1 if layers else len(labels.names) - 1
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    ids = random.integers(1, largest + 1, (planes, rows, cols, *layers))
    return np.where(random.random(ids.shape) < draw(st.floats(0, 1)), ids, 0).astype(
        np.uint8
    )


def _write(
    path: Path,
    mask: Mask,
    labels: Labels,
    *,
    band: int = 7,
    scale: tuple[float, float] = (1, 1),
) -> bytes:
    like = ArrayScan(mask[0])
    like.planes = len(mask)
    with Polygons(path, like=like, labels=labels, scale=scale) as sink:
        for plane, whole in enumerate(mask):
            for top in range(0, len(whole), band):
                part = whole[top : top + band]
                region = Region(top, 0, len(part), whole.shape[1])
                sink.write(region, part, plane=plane)
    return path.read_bytes()


def _features(content: bytes, name: str, *, plane: int = 0) -> list[dict[str, Any]]:
    return [
        feature
        for feature in json.loads(content)["features"]
        if feature["properties"]["classification"]["name"] == name
        and feature["geometry"].get("plane", {"z": 0})["z"] == plane
    ]


def _areas(mask: Mask, labels: Labels) -> list[tuple[str, int, NDArray[np.bool_]]]:
    """Class, plane and pixels."""
    if labels.kind == "multilabel":
        classes = [mask[..., index] == 1 for index in range(len(labels.names))]
    else:
        classes = [mask == index for index in range(1, len(labels.names))]
    return [
        (name, plane, area)
        for name, volume in zip(labels.foreground, classes, strict=True)
        for plane, area in enumerate(volume)
    ]


def _filled(features: list[dict[str, Any]], rows: int, cols: int) -> Mask:
    """How many polygons cover each pixel's centre, by shapely."""
    down, across = np.mgrid[:rows, :cols] + 0.5
    count = np.zeros((rows, cols), np.uint8)
    for feature in features:
        polygon = shape(feature["geometry"])
        count += shapely.contains_xy(polygon, across, down)
    return count


@pytest.mark.parametrize("labels", [BINARY, THREE, LAYERS])
@settings(max_examples=40)
@given(data=st.data(), band=st.integers(1, 24))
def test_polygons_are_the_mask(
    labels: Labels,
    data: st.DataObject,
    band: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    mask = data.draw(masks(labels))
    content = _write(
        tmp_path_factory.mktemp("geojson") / "a.geojson", mask, labels, band=band
    )
    rows, cols = mask.shape[1:3]
    for name, plane, area in _areas(mask, labels):
        features = _features(content, name, plane=plane)
        polygons = [shape(feature["geometry"]) for feature in features]
        assert all(polygon.is_valid for polygon in polygons)
        assert all(polygon.exterior.is_ccw for polygon in polygons)
        assert not any(hole.is_ccw for p in polygons for hole in p.interiors)
        assert sum(polygon.area for polygon in polygons) == area.sum()
        assert len(polygons) == ndimage.label(area)[1]
        assert np.array_equal(_filled(features, rows, cols), area)


@settings(max_examples=40)
@given(data=st.data(), band=st.integers(1, 24))
def test_bytes_do_not_depend_on_the_bands(
    data: st.DataObject, band: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    labels = data.draw(st.sampled_from([THREE, LAYERS]))
    mask = data.draw(masks(labels))
    folder = tmp_path_factory.mktemp("geojson")
    content = _write(folder / "a.geojson", mask, labels, band=band)
    assert content == _write(folder / "b.geojson", mask, labels, band=100)


@settings(max_examples=40)
@given(mask=masks(), down=st.floats(0.5, 40), across=st.floats(0.5, 40))
def test_coordinates_are_those_of_the_full_resolution(
    mask: Mask, down: float, across: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("geojson") / "a.geojson"
    content = _write(path, mask[:1], BINARY, scale=(down, across))
    polygons = [shape(item["geometry"]) for item in _features(content, "cell")]
    assert all(polygon.is_valid for polygon in polygons)
    expected = mask[0].sum() * down * across
    assert sum(polygon.area for polygon in polygons) == pytest.approx(expected)
    if polygons:
        filled_rows, filled_cols = np.nonzero(mask[0])
        assert shapely.total_bounds(polygons) == pytest.approx(
            [
                filled_cols.min() * across,
                filled_rows.min() * down,
                (filled_cols.max() + 1) * across,
                (filled_rows.max() + 1) * down,
            ]
        )


def test_opencv_finds_as_many_areas_and_holes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((300, 200))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    mask = (smooth > np.median(smooth)).astype(np.uint8)
    content = _write(tmp_path / "a.geojson", mask[np.newaxis], BINARY, band=64)
    count, areas = cv2.connectedComponents(mask, connectivity=4)
    holes = []
    for number in range(1, count):
        outside = np.pad(areas != number, 1, constant_values=True).astype(np.uint8)
        holes.append(cv2.connectedComponents(outside, connectivity=4)[0] - 2)
    found = [shape(item["geometry"]) for item in _features(content, "cell")]
    assert sum(holes) > 10
    assert sorted(len(polygon.interiors) for polygon in found) == sorted(holes)


@pytest.mark.parametrize("name", ["dsb2018_nuclei", "isbi2012_em", "wbc_dataset2"])
def test_real_masks_come_back(
    tmp_path: Path, shared_data: Callable[[str], Path], name: str
) -> None:
    path = min(shared_data(name).glob("test/masks/*.png"))
    mask = np.asarray(Image.open(path), np.uint8)
    content = _write(tmp_path / "a.geojson", mask[np.newaxis], THREE, band=100)
    for label, _, area in _areas(mask[np.newaxis], THREE):
        features = _features(content, label)
        assert all(shape(item["geometry"]).is_valid for item in features)
        assert np.array_equal(_filled(features, *mask.shape), area)


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (1, 9), (9, 1), (8, 5)])
def test_empty_and_full_masks(tmp_path: Path, value: int, rows: int, cols: int) -> None:
    mask = np.full((1, rows, cols), value, np.uint8)
    features = _features(_write(tmp_path / "a.geojson", mask, BINARY, band=3), "cell")
    assert len(features) == value
    for feature in features:
        assert shape(feature["geometry"]).equals(shapely.box(0, 0, cols, rows))


def test_a_ring_that_closes_at_a_corner_has_a_hole(tmp_path: Path) -> None:
    mask = np.array([[[1, 1, 1], [1, 0, 1], [1, 1, 0]]], np.uint8)
    (feature,) = _features(_write(tmp_path / "a.geojson", mask, BINARY), "cell")
    assert len(feature["geometry"]["coordinates"]) == 2
    assert shape(feature["geometry"]).is_valid


def test_a_feature_is_what_qupath_reads(tmp_path: Path) -> None:
    mask = np.zeros((2, 3, 4), np.uint8)
    mask[1, 1, 2] = 2
    content = _write(tmp_path / "a.geojson", mask, THREE)
    assert json.loads(content) == {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[[2, 1], [3, 1], [3, 2], [2, 2], [2, 1]]],
                    "plane": {"c": -1, "z": 1, "t": 0},
                },
                "properties": {
                    "objectType": "annotation",
                    "classification": {"name": "nucleus", "color": [230, 159, 0]},
                },
            }
        ],
    }


def test_the_suffix_chooses_it_and_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text("old")
    mask = np.ones((5, 4), np.uint8)
    sink = create_mask(path, like=ArrayScan(mask), labels=BINARY)
    assert isinstance(sink, Polygons)
    sink.write(Region(0, 0, 3, 4), mask[:3])
    with pytest.raises(ScanError, match="3 of 5 rows"):
        sink.close()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_scale_of_nothing_is_refused(tmp_path: Path) -> None:
    like = ArrayScan(np.zeros((2, 2), np.uint8))
    with pytest.raises(ScanError, match="above 0"):
        Polygons(tmp_path / "a.geojson", like=like, labels=BINARY, scale=(1, 0))
