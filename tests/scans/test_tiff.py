from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.orientation import EXIF_TAG, ORIENTATIONS
from segx.scans.tiff import TiffScan
from tests.scans.pictures import colour, deep

_CENTIMETRE = "CENTIMETER"
_DTYPES = ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8", ">u2", ">f4"]


def _read(path: Path, *, as_mask: bool = False) -> NDArray[Any]:
    with TiffScan(path, as_mask=as_mask) as scan:
        pixels = scan.read_all()
        assert pixels.shape == (scan.extent.rows, scan.extent.cols, scan.channels)
        assert pixels.dtype == scan.dtype
    return pixels


def _of_type(dtype: str) -> NDArray[Any]:
    return (deep()[..., 0].astype(np.float64) / 7).astype(dtype)


@pytest.mark.parametrize("dtype", _DTYPES)
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_every_depth_is_kept(
    tmp_path: Path, dtype: str, compression: str | None
) -> None:
    pixels = _of_type(dtype)
    path = tmp_path / "a.tif"
    order = ">" if dtype.startswith(">") else "<"
    tifffile.imwrite(path, pixels, compression=compression, byteorder=order)
    assert np.array_equal(_read(path)[..., 0], pixels)
    assert _read(path).dtype == pixels.dtype.newbyteorder("=")


@settings(max_examples=40)
@given(data=st.data())
def test_a_region_is_the_same_as_a_cut_from_the_whole(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows, cols = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    picture = colour(rows, cols)
    layout: dict[str, Any] = {
        "compression": data.draw(st.sampled_from([None, "zlib", "lzw"])),
        "photometric": "rgb",
    }
    if data.draw(st.booleans()):
        layout["tile"] = (16, data.draw(st.sampled_from([16, 32])))
    else:
        layout["rowsperstrip"] = data.draw(st.integers(1, 80))
    stored: NDArray[np.uint8] = picture
    if data.draw(st.booleans()):
        layout["planarconfig"] = "separate"
        stored = np.moveaxis(picture, 2, 0).copy()
    path = tmp_path_factory.mktemp("tiff") / "a.tif"
    tifffile.imwrite(path, stored, **layout)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    region = Region(
        top,
        left,
        data.draw(st.integers(1, rows - top)),
        data.draw(st.integers(1, cols - left)),
    )
    with TiffScan(path) as scan:
        assert scan.extent == Extent(rows, cols)
        assert np.array_equal(scan.read(region), picture[region.slices])
        assert np.array_equal(scan.read_all(), picture)


def test_channels_in_pages_are_channels(tmp_path: Path) -> None:
    planes = np.moveaxis(deep(5), 2, 0).copy()
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path,
        planes,
        photometric="minisblack",
        metadata={"axes": "CYX"},
        compression="lzw",
    )
    assert np.array_equal(_read(path), deep(5))


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_any_number_of_channels_side_by_side(tmp_path: Path, channels: int) -> None:
    pixels = deep(channels)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig")
    assert np.array_equal(_read(path), pixels)


@pytest.mark.parametrize("number", range(1, 9))
def test_the_orientation_tag_is_applied(tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.tif"
    picture = colour()
    tag = (EXIF_TAG, "H", 1, number, True)
    tifffile.imwrite(path, picture, extratags=[tag], tile=(16, 16), photometric="rgb")
    upright = ORIENTATIONS[number].upright(picture)
    with TiffScan(path) as scan:
        assert np.array_equal(scan.read_all(), upright)
        region = Region(3, 2, 15, 9)
        assert np.array_equal(scan.read(region), upright[region.slices])


def test_a_palette_is_colours_in_an_image_and_ids_in_a_mask(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    ids = np.arange(24 * 30, dtype=np.uint8).reshape(24, 30) % 5
    table = np.zeros((3, 256), np.uint16)
    table[:, :5] = np.arange(15).reshape(3, 5) * 257
    tifffile.imwrite(path, ids, photometric="palette", colormap=table)
    assert np.array_equal(_read(path, as_mask=True)[..., 0], ids)
    assert np.array_equal(_read(path), (table // 257).T.astype(np.uint8)[ids])


def test_black_and_white_is_0_and_255_in_an_image_and_0_and_1_in_a_mask(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    white = np.eye(16, dtype=bool)
    tifffile.imwrite(path, white, photometric="minisblack")
    assert np.array_equal(_read(path)[..., 0], white * np.uint8(255))
    assert np.array_equal(_read(path, as_mask=True)[..., 0], white.astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_is_inverted(
    tmp_path: Path, dtype: type[np.unsignedinteger]
) -> None:
    path = tmp_path / "a.tif"
    pixels = deep()[..., 0].astype(dtype)
    tifffile.imwrite(path, pixels, photometric="miniswhite")
    assert np.array_equal(_read(path)[..., 0], np.iinfo(dtype).max - pixels)


def test_white_is_zero_is_inverted_in_black_and_white_too(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.eye(16, dtype=bool), photometric="miniswhite")
    black = np.eye(16, dtype=np.uint8)
    assert np.array_equal(_read(path, as_mask=True)[..., 0], 1 - black)


def _write_pyramid(path: Path, levels: list[NDArray[Any]], **layout: Any) -> None:
    """Levels as SubIFDs, or as pages where `layout` says nothing of SubIFDs."""
    with tifffile.TiffWriter(path) as writer:
        writer.write(levels[0], **layout)
        layout.pop("subifds", None)
        for smaller in levels[1:]:
            writer.write(smaller, **layout | {"subfiletype": 1, "metadata": None})


@settings(max_examples=60)
@given(data=st.data())
def test_levels_and_planes_come_back_in_every_layout(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = data.draw
    planes, channels = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3]))
    rows, cols = draw(st.integers(40, 90)), draw(st.integers(40, 90))
    dtype = np.dtype(draw(st.sampled_from(["u1", "u2", "u4", "i2", "f4"])))
    random = np.random.default_rng(rows * 100 + cols)
    shape = (planes, rows, cols, channels)
    full = random.integers(0, 250, shape).astype(dtype)
    levels = [full[:, ::step, ::step] for step in (1, 2, 4)[: draw(st.integers(1, 3))]]
    axes = draw(st.sampled_from("ZTQ")) + ("YXS" if channels == 3 else "YX")
    layout: dict[str, Any] = {
        "photometric": "rgb" if channels == 3 else "minisblack",
        "compression": draw(st.sampled_from([None, "zlib", "lzw"])),
        "subifds": len(levels) - 1,
        "metadata": {"axes": axes if planes > 1 else axes[1:]},
    }
    if draw(st.booleans()):
        layout["tile"] = (16, 32)
    else:
        layout["rowsperstrip"] = draw(st.integers(1, 90))
    if channels == 3 and draw(st.booleans()):
        layout["planarconfig"] = "separate"
        layout["metadata"]["axes"] = layout["metadata"]["axes"].replace("YXS", "SYX")
    name = draw(st.sampled_from(["a.tif", "a.ome.tif"]))
    if name == "a.ome.tif":
        layout["metadata"]["axes"] = layout["metadata"]["axes"].replace("Q", "Z")
    path = tmp_path_factory.mktemp("tiff") / name
    is_planar = "planarconfig" in layout
    stored = [np.moveaxis(level, 3, 1) if is_planar else level for level in levels]
    if channels == 1:
        stored = [level[..., 0] for level in levels]
    if planes == 1:
        stored = [level[0] for level in stored]
    _write_pyramid(path, [np.ascontiguousarray(level) for level in stored], **layout)
    with TiffScan(path) as scan:
        assert (scan.planes, scan.channels) == (planes, channels)
        assert scan.levels == tuple(Extent(*level.shape[1:3]) for level in levels)
        for number, level in enumerate(levels):
            plane = draw(st.integers(0, planes - 1))
            region = _some_region(draw, scan.levels[number])
            expected = level[plane][region.slices]
            found = scan.read(region, plane=plane, level=number)
            assert found.dtype == dtype
            assert np.array_equal(found, expected)
            assert np.array_equal(
                tifffile.imread(path, level=number), np.squeeze(stored[number])
            )


def _some_region(draw: Callable[[Any], Any], extent: Extent) -> Region:
    top = draw(st.integers(0, extent.rows - 1))
    left = draw(st.integers(0, extent.cols - 1))
    rows = draw(st.integers(1, extent.rows - top))
    return Region(top, left, rows, draw(st.integers(1, extent.cols - left)))


def test_levels_in_pages_of_a_scanner_are_levels(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    levels = [colour(64, 96)[::step, ::step] for step in (1, 2, 4)]
    _write_pyramid(path, levels, tile=(16, 16), photometric="rgb")
    with TiffScan(path) as scan:
        assert scan.levels == (Extent(64, 96), Extent(32, 48), Extent(16, 24))
        for number, level in enumerate(levels):
            whole = Region.whole(scan.levels[number])
            assert np.array_equal(scan.read(whole, level=number), level)


def test_levels_are_turned_upright_too(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    levels = [colour(64, 96)[::step, ::step] for step in (1, 2)]
    tag = (EXIF_TAG, "H", 1, 6, True)
    _write_pyramid(path, levels, subifds=1, photometric="rgb", extratags=[tag])
    with TiffScan(path) as scan:
        assert scan.levels == (Extent(96, 64), Extent(48, 32))
        whole = Region.whole(scan.levels[1])
        upright = ORIENTATIONS[6].upright(levels[1])
        assert np.array_equal(scan.read(whole, level=1), upright)


def test_a_level_of_another_kind_is_no_level(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(colour(64, 96), subifds=1, photometric="rgb", tile=(16, 16))
        writer.write(colour(32, 48)[..., 0], subfiletype=1, photometric="minisblack")
    with TiffScan(path) as scan:
        assert scan.levels == (Extent(64, 96),)
        assert np.array_equal(scan.read_all(), colour(64, 96))


@pytest.mark.parametrize("axes", ["ZCYX", "CZYX"])
def test_channels_in_pages_of_several_planes(tmp_path: Path, axes: str) -> None:
    path = tmp_path / "a.ome.tif"
    stack = np.random.default_rng(0).integers(0, 99, (4, 3, 20, 30), np.uint8)
    stored = stack if axes == "ZCYX" else stack.swapaxes(0, 1)
    tifffile.imwrite(
        path, stored, photometric="minisblack", metadata={"axes": axes}, tile=(16, 16)
    )
    with TiffScan(path) as scan:
        assert (scan.planes, scan.channels) == (4, 3)
        for plane in range(4):
            expected = np.moveaxis(stack[plane], 0, 2)
            assert np.array_equal(scan.read_all(plane=plane), expected)


@pytest.mark.parametrize("kind", ["imagej", "shaped"])
def test_pages_behind_a_single_directory_are_planes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tif"
    stack = np.arange(5 * 20 * 30, dtype=np.uint16).reshape(5, 20, 30)
    options = {"contiguous": True, "truncate": True, "metadata": {"axes": "ZYX"}}
    with tifffile.TiffWriter(path, **{kind: True}) as writer:
        writer.write(stack, photometric="minisblack", **options)
    with TiffScan(path) as scan:
        assert scan.planes == 5
        for plane in range(5):
            assert np.array_equal(scan.read_all(plane=plane)[..., 0], stack[plane])


def test_bigtiff_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    levels = [colour(64, 96)[::step, ::step] for step in (1, 2)]
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(levels[0], subifds=1, tile=(16, 16), photometric="rgb")
        writer.write(levels[1], subfiletype=1, tile=(16, 16), photometric="rgb")
    with TiffScan(path) as scan:
        for number, level in enumerate(levels):
            whole = Region.whole(scan.levels[number])
            assert np.array_equal(scan.read(whole, level=number), level)


def test_files_that_an_ome_tiff_names_are_not_opened(tmp_path: Path) -> None:
    stack = np.zeros((2, 20, 30), np.uint8)
    path, other = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    metadata = {"axes": "ZYX"}
    tifffile.imwrite(path, stack, photometric="minisblack", metadata=metadata)
    tifffile.imwrite(other, stack, photometric="minisblack", metadata=metadata)
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    elsewhere = (
        '<TiffData IFD="0" FirstZ="0" PlaneCount="2"><UUID FileName="b.ome.tif">'
        "urn:uuid:00000000-0000-0000-0000-000000000000</UUID></TiffData>"
    )
    start, end = xml.index("<TiffData"), xml.rindex("</Pixels>")
    description = xml[:start] + elsewhere + xml[end:]
    tifffile.imwrite(
        path, stack, photometric="minisblack", metadata=None, description=description
    )
    with pytest.raises(ScanError, match="pages in other files"):
        TiffScan(path)


def test_skipped_tiles_are_blank(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tiles = [np.full((16, 16), 9, np.uint8), None, None, np.full((16, 16), 7, np.uint8)]
    tifffile.imwrite(
        path,
        iter(tiles),
        shape=(32, 32),
        dtype=np.uint8,
        tile=(16, 16),
        compression="zlib",
    )
    pixels = _read(path)[..., 0]
    assert pixels[:16, :16].min() == 9
    assert pixels[16:, 16:].max() == 7
    assert not pixels[:16, 16:].any()


def test_tiles_are_decoded_once_for_neighbouring_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, colour(64, 64), tile=(16, 16), compression="zlib")
    decoded: list[int] = []
    with TiffScan(path) as scan:
        page = scan._header.levels[0].page
        decode = page.decode

        def counted(data: bytes, number: int, **options: Any) -> Any:
            decoded.append(number)
            return decode(data, number, **options)

        monkeypatch.setattr(page, "decode", counted)
        for top in range(0, 49, 8):
            scan.read(Region(top, 0, 16, 64))
    assert sorted(decoded) == list(range(16))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_thin_pictures(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = tmp_path / "a.tif"
    pixels = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
    tifffile.imwrite(path, pixels)
    assert np.array_equal(_read(path)[..., 0], pixels)


def test_pixel_size_in_centimetres_is_a_size_and_in_inches_it_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    expected = {
        ((40_000, 20_000), _CENTIMETRE): (0.0005, 0.00025),
        ((300, 300), "INCH"): None,
        ((72 / 2.54, 72 / 2.54), _CENTIMETRE): None,
    }
    for (resolution, unit), spacing in expected.items():
        tifffile.imwrite(path, colour(), resolution=resolution, resolutionunit=unit)
        with TiffScan(path) as scan:
            assert scan.spacing_mm == (pytest.approx(spacing) if spacing else None)


def test_a_closed_scan_says_so(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", colour())
    with TiffScan(tmp_path / "a.tif") as scan:
        pass
    with pytest.raises(ScanError, match="was closed"):
        scan.read_all()
