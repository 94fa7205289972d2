import contextlib
import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import MissingExtraError, ScanError
from segx.geometry import Extent, Region, Space
from segx.scans import zarr as zarr_module
from segx.scans.files import open_scan, scan_files
from segx.scans.zarr import ZarrScan
from tests.scans.pictures import colour

zarr = pytest.importorskip("zarr", reason="needs the extra zarr")

_SHARDED = {"chunks": (16, 16), "shards": (32, 32)}


def _write_ome(
    path: Path,
    levels: list[NDArray[Any]],
    axes: str,
    *,
    version: str = "0.5",
    unit: str | None = "micrometer",
    scale: float = 0.5,
) -> Path:
    """An OME-Zarr image whose pixels measure `scale` along each axis."""
    group = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    for number, level in enumerate(levels):
        chunks = tuple(min(17, size) for size in level.shape)
        group.create_array(str(number), data=level, chunks=chunks)
    kinds = {"c": "channel", "t": "time"}
    spatial = {} if unit is None else {"unit": unit}
    image = {
        "axes": [
            {"name": name, "type": kinds.get(name, "space")}
            | (spatial if name in "zyx" else {})
            for name in axes
        ],
        "datasets": [
            {
                "path": str(number),
                "coordinateTransformations": [
                    {
                        "type": "scale",
                        "scale": [
                            scale * (2**number if name in "yx" else 1) for name in axes
                        ],
                    }
                ],
            }
            for number in range(len(levels))
        ],
    }
    if version == "0.5":
        group.attrs["ome"] = {"version": version, "multiscales": [image]}
    else:
        group.attrs["multiscales"] = [image | {"version": version}]
    return path


@settings(max_examples=60)
@given(data=st.data())
def test_every_order_of_axes_type_and_level_comes_back(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = data.draw
    axes = draw(
        st.sampled_from(["yx", "cyx", "yxc", "zyx", "czyx", "zcyx", "tcyx", "tczyx"])
    )
    sizes = {"t": 1, "c": draw(st.integers(1, 3)), "z": draw(st.integers(1, 3))}
    if axes == "tcyx":
        sizes["t"] = draw(st.integers(1, 3))
    sizes |= {"y": draw(st.integers(4, 60)), "x": draw(st.integers(4, 60))}
    dtype = draw(st.sampled_from(["u1", "u2", "u4", "i2", "f4", "f8", ">u2"]))
    random = np.random.default_rng(sizes["y"])
    full = random.integers(0, 99, [sizes[axis] for axis in axes]).astype(dtype)
    halves = tuple(slice(None, None, 2 if axis in "yx" else 1) for axis in axes)
    levels = [full, full[halves]][: draw(st.integers(1, 2))]
    folder = tmp_path_factory.mktemp("zarr")
    version = draw(st.sampled_from(["0.4", "0.5"]))
    path = _write_ome(folder / "a.ome.zarr", levels, axes, version=version)
    with open_scan(path) as scan:
        deep = sizes["t"] if axes == "tcyx" else sizes["z"] if "z" in axes else 1
        assert scan.planes == deep
        assert scan.channels == (sizes["c"] if "c" in axes else 1)
        assert scan.dtype == np.dtype(dtype).newbyteorder("=")
        assert scan.spacing_mm == pytest.approx((0.0005, 0.0005))
        level = draw(st.integers(0, len(levels) - 1))
        plane = draw(st.integers(0, deep - 1))
        region = _some_region(draw, scan.levels[level])
        expected = _plane_of(levels[level], axes, plane)[region.slices]
        found = scan.read(region, plane=plane, level=level)
        assert found.dtype == scan.dtype
        assert np.array_equal(found, expected)


def _some_region(draw: Any, extent: Extent) -> Region:
    top = draw(st.integers(0, extent.rows - 1))
    left = draw(st.integers(0, extent.cols - 1))
    rows = draw(st.integers(1, extent.rows - top))
    return Region(top, left, rows, draw(st.integers(1, extent.cols - left)))


def _plane_of(stored: NDArray[Any], axes: str, plane: int) -> NDArray[Any]:
    """A plane as (rows, cols, channels), the slow way."""
    names = list(axes)
    for name in "tz":
        if name in names:
            at = names.index(name)
            stored = stored.take(plane if stored.shape[at] > 1 else 0, axis=at)
            names.remove(name)
    if "c" not in names:
        stored, names = stored[..., np.newaxis], [*names, "c"]
    return np.moveaxis(stored, [names.index(name) for name in "yxc"], [0, 1, 2])


@pytest.mark.parametrize(
    ("unit", "mm"),
    [("micrometer", 1e-3), ("nanometer", 1e-6), ("millimeter", 1), (None, None)],
)
def test_the_unit_decides_on_the_pixel_size(
    tmp_path: Path, unit: str | None, mm: float | None
) -> None:
    stack = np.zeros((3, 20, 30), np.uint8)
    path = _write_ome(tmp_path / "a.zarr", [stack], "zyx", unit=unit, scale=0.25)
    with open_scan(path) as scan:
        if mm is None:
            assert scan.space is scan.spacing_mm is None
        else:
            assert scan.spacing_mm == pytest.approx((0.25 * mm, 0.25 * mm))
            assert isinstance(scan.space, Space)
            assert scan.space.spacing_mm[0] == pytest.approx(0.25 * mm)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plain_array_is_read_if_its_axes_are_known(
    tmp_path: Path, zarr_format: int
) -> None:
    picture = colour()
    path = tmp_path / "a.zarr"
    named = {"dimension_names": ["y", "x", "c"]} if zarr_format == 3 else {}
    array = zarr.create_array(path, data=picture, zarr_format=zarr_format, **named)
    if zarr_format == 2:
        with pytest.raises(ScanError, match="axes have no names"):
            open_scan(path)
        array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x", "c"]
    with open_scan(path) as scan:
        assert np.array_equal(scan.read_all(), picture)
    flat = tmp_path / "flat.zarr"
    zarr.create_array(flat, data=picture[..., 0], zarr_format=zarr_format)
    with open_scan(flat) as scan:
        assert np.array_equal(scan.read_all(), picture[..., :1])


def test_a_level_with_fewer_planes_is_none(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 9, (4, 16, 20), np.uint8)
    levels = [stack, stack[:, ::2, ::2], stack[::2, ::4, ::4]]
    with open_scan(_write_ome(tmp_path / "a.zarr", levels, "zyx")) as scan:
        assert scan.levels == (Extent(16, 20), Extent(8, 10))
        assert np.array_equal(scan.read_all(plane=3)[..., 0], stack[3])


def test_shards_are_read(tmp_path: Path) -> None:
    picture = colour(64, 96)[..., 0]
    zarr.create_array(tmp_path / "a.zarr", data=picture, **_SHARDED)
    with open_scan(tmp_path / "a.zarr") as scan:
        region = Region(10, 20, 40, 50)
        assert np.array_equal(scan.read(region)[..., 0], picture[region.slices])


@pytest.mark.parametrize(
    ("axes", "shape", "dtype", "message"),
    [
        ("tzyx", (2, 3, 8, 9), "u1", "t: 2, z: 3, y: 8, x: 9"),
        ("qyx", (2, 8, 9), "u1", "q: 2"),
        ("zy", (8, 9), "u1", "z: 8"),
        ("yx", (8, 9), "c8", "complex64 values"),
    ],
)
def test_what_is_no_scan_is_refused(
    tmp_path: Path, axes: str, shape: tuple[int, ...], dtype: str, message: str
) -> None:
    path = _write_ome(tmp_path / "a.zarr", [np.zeros(shape, dtype)], axes)
    with pytest.raises(ScanError, match=message):
        open_scan(path)


def test_chunks_too_large_to_decode_are_refused_from_the_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr_module, "MOST_PIXELS", 100)
    path = _write_ome(tmp_path / "a.zarr", [np.zeros((20, 20))], "yx")
    with pytest.raises(ScanError, match="chunks of 0 million values"):
        open_scan(path)


def test_folders_that_are_no_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="no Zarr folder"):
        ZarrScan(tmp_path / "a.zarr")
    zarr.create_group(tmp_path / "b.zarr")
    with pytest.raises(ScanError, match="without the multiscales"):
        ZarrScan(tmp_path / "b.zarr")
    path = _write_ome(tmp_path / "c.zarr", [np.zeros((9, 9))], "yx")
    old = json.loads((path / "zarr.json").read_text())
    old["attributes"]["ome"]["multiscales"][0]["axes"] = ["y", "x"]
    (path / "zarr.json").write_text(json.dumps(old))
    with pytest.raises(ScanError, match=r"older than 0\.4"):
        ZarrScan(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_file_of_the_folder_cut_short_is_noticed(
    tmp_path: Path, share: float, version: str
) -> None:
    levels = [colour(40, 50)[..., 0]]
    whole = _write_ome(tmp_path / "a.zarr", levels, "yx", version=version)
    files = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    for number, name in enumerate(files):
        if name.name == ".zattrs" and name.parent.name == "0":
            continue  # attributes of an array, which are not asked for
        cut = tmp_path / f"cut{number}.zarr"
        shutil.copytree(whole, cut)
        data = (cut / name).read_bytes()
        (cut / name).write_bytes(data[: int(share * len(data))])
        with pytest.raises(ScanError) as caught:
            _read_all(cut)
        assert str(cut) in str(caught.value), name


def _read_all(path: Path) -> None:
    with open_scan(path) as scan:
        scan.read_all()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_flipped_bytes_give_an_image_or_an_error_of_ours(
    tmp_path: Path, version: str
) -> None:
    dice = random.Random(0)
    levels = [colour(40, 50)[..., 0]]
    path = _write_ome(tmp_path / "a.zarr", levels, "yx", version=version)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    for _ in range(60):
        file = dice.choice(files)
        whole = file.read_bytes()
        damaged = bytearray(whole)
        for _ in range(dice.choice((1, 1, 4))):
            damaged[dice.randrange(min(len(damaged), 300))] = dice.randrange(256)
        file.write_bytes(damaged)
        with contextlib.suppress(ScanError):
            _read_all(path)
        file.write_bytes(whole)
    _read_all(path)


def test_a_level_outside_the_folder_is_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "secret.zarr", data=np.ones((9, 9)))
    path = _write_ome(tmp_path / "a.zarr", [np.zeros((9, 9))], "yx")
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(
        text.replace('"path": "0"', '"path": "../secret.zarr"')
    )
    with pytest.raises(ScanError, match=r"a\.zarr can't be read"):
        open_scan(path)


def test_a_zarr_folder_is_one_scan(tmp_path: Path) -> None:
    path = _write_ome(tmp_path / "a.ome.zarr", [np.zeros((9, 9))], "yx")
    (tmp_path / "b.png").touch()
    assert scan_files([path]) == [path]
    assert scan_files([tmp_path]) == [path, tmp_path / "b.png"]


def test_without_zarr_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write_ome(tmp_path / "a.zarr", [np.zeros((9, 9))], "yx")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[zarr\]"):
        open_scan(path)
