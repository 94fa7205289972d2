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


def test_of_a_pyramid_the_full_resolution_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    picture = colour(64, 96)
    with tifffile.TiffWriter(path) as writer:
        writer.write(picture, subifds=1, tile=(16, 16), photometric="rgb")
        writer.write(picture[::2, ::2], subfiletype=1, photometric="rgb")
    assert np.array_equal(_read(path), picture)


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
        decode = scan._header.page.decode

        def counted(data: bytes, number: int, **options: Any) -> Any:
            decoded.append(number)
            return decode(data, number, **options)

        monkeypatch.setattr(scan._header.page, "decode", counted)
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
