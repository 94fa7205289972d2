import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.errors import ScanError
from segx.geometry import Extent, Region, Space
from segx.labels import Labels
from segx.scans import label_zarr, pyramid
from segx.scans.files import create_mask, open_scan
from segx.scans.memory import ArrayScan
from segx.scans.resize import resize_mask
from segx.scans.scan import Scan

zarr = pytest.importorskip("zarr", reason="needs the extra zarr")

_LABELS = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
_LAYERS = Labels("multilabel", ("a", "b"))


def _write(
    path: Path,
    stack: np.ndarray,
    labels: Labels,
    *,
    band: int = 7,
    space: Space | None = None,
) -> None:
    """A mask of several planes, (planes, rows, cols[, classes])."""
    like: Scan = ArrayScan(stack[0])
    like.planes, like.space = len(stack), space
    like.spacing_mm = None if space is None else space.pixel_mm
    with create_mask(path, like=like, labels=labels) as sink:
        for plane, mask in enumerate(stack):
            for top in range(0, len(mask), band):
                part = mask[top : top + band]
                region = Region(top, 0, len(part), mask.shape[1])
                sink.write(region, part, plane=plane)


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@settings(max_examples=15)
@given(data=st.data())
def test_ids_come_back_at_every_level(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    planes, band = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 120))
    rows, cols = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    labels = data.draw(st.sampled_from([_LABELS, _LAYERS]))
    path = tmp_path_factory.mktemp("zarr") / "mask.ome.zarr"
    classes = (2,) if labels is _LAYERS else ()
    shape = (planes, rows, cols, *classes)
    stack = np.random.default_rng(rows).integers(0, 2, shape, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyramid, "_LONGEST", 20)
        patch.setattr(label_zarr, "_CHUNK", Extent(32, 32))
        _write(path, stack, labels, band=band)
    stored = zarr.open_group(path, mode="r")
    assert not list(path.parent.glob(".*"))
    with open_scan(path, as_mask=True) as scan:
        assert scan.planes == planes
        assert max(scan.levels[-1].rows, scan.levels[-1].cols) <= 20
        for number, extent in enumerate(scan.levels):
            small = np.stack([resize_mask(mask, extent) for mask in stack])
            whole = Region.whole(extent)
            for plane in range(planes):
                pixels = scan.read(whole, plane=plane, level=number)
                assert np.array_equal(pixels, small[plane].reshape(pixels.shape))
            expected = np.moveaxis(small, -1, 0) if classes else small
            assert np.array_equal(stored[str(number)][:].ravel(), expected.ravel())


def test_the_same_mask_gives_the_same_bytes(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 3, (1, 70, 50), np.uint8)
    for folder, band in (("a", 1), ("b", 70)):
        _write(tmp_path / folder / "mask.ome.zarr", stack, _LABELS, band=band)
    first, second = (_bytes_of(tmp_path / folder / "mask.ome.zarr") for folder in "ab")
    assert len(first) == 3
    assert first == second


def test_sizes_names_and_colours_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mask.ome.zarr"
    space = Space((0.002, 0.0005, 0.00025))
    _write(path, np.zeros((3, 40, 50), np.uint8), _LABELS, space=space)
    with open_scan(path) as scan:
        assert scan.space == space
    ome = zarr.open_group(path, mode="r").attrs["ome"]
    meaning = ome["image-label"]
    assert [item["name"] for item in meaning["properties"]] == list(_LABELS.names)
    assert meaning["colors"][2] == {
        "label-value": 2,
        "rgba": [*_LABELS.colours[2], 255],
    }
    _write(tmp_path / "layers.ome.zarr", np.zeros((1, 9, 9, 2), np.uint8), _LAYERS)
    ome = zarr.open_group(tmp_path / "layers.ome.zarr", mode="r").attrs["ome"]
    assert [channel["label"] for channel in ome["omero"]["channels"]] == ["a", "b"]


def test_levels_lie_over_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyramid, "_LONGEST", 20)
    path = tmp_path / "mask.ome.zarr"
    _write(path, np.zeros((1, 64, 32), np.uint8), _LABELS, space=Space((1, 2, 2)))
    (image,) = zarr.open_group(path, mode="r").attrs["ome"]["multiscales"]
    _, half, quarter = (
        level["coordinateTransformations"] for level in image["datasets"]
    )
    assert half[0]["scale"] == [4.0, 4.0]
    assert half[1]["translation"] == [1.0, 1.0]
    assert quarter[1]["translation"] == [3.0, 3.0]


@pytest.mark.parametrize("fails", ["in the middle", "fsync", "rename"])
def test_an_older_mask_is_left_when_a_new_one_fails(
    tmp_path: Path, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mask.ome.zarr"
    _write(path, np.ones((1, 20, 30), np.uint8), _LABELS)
    older = _bytes_of(path)
    sink = create_mask(path, like=ArrayScan(np.zeros((20, 30))), labels=_LABELS)
    sink.write(Region(0, 0, 10, 30), np.zeros((10, 30), np.uint8))
    if fails == "in the middle":
        sink.abort()
    else:
        sink.write(Region(10, 0, 10, 30), np.zeros((10, 30), np.uint8))
        _break_the_disk(monkeypatch, fails)
        with pytest.raises(ScanError, match="No space"):
            sink.close()
        monkeypatch.undo()
    assert _bytes_of(path) == older
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def _break_the_disk(patch: pytest.MonkeyPatch, call: str) -> None:
    """Let fsync fail, or the last rename."""
    rename = Path.replace

    def fail(*arguments: object) -> Path:
        if call == "fsync" or Path(str(arguments[0])).name.startswith("new"):
            raise OSError(28, "No space left on device")
        return rename(*arguments)

    patch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)


def test_a_newer_mask_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "mask.ome.zarr"
    for value in (1, 2):
        _write(path, np.full((1, 20, 30), value, np.uint8), _LABELS)
    with open_scan(path) as scan:
        assert np.all(scan.read_all() == 2)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
