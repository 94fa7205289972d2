import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.orientation import EXIF_TAG
from segx.scans.raster import RasterScan
from tests.scans.pictures import colour, deep


def _read(path: Path, *, as_mask: bool = False) -> NDArray[np.generic]:
    with RasterScan(path, as_mask=as_mask) as scan:
        pixels = scan.read_all()
        assert pixels.shape == (scan.extent.rows, scan.extent.cols, scan.channels)
        assert pixels.dtype == scan.dtype
    return pixels


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        ("png", "L"),
        ("png", "LA"),
        ("png", "RGB"),
        ("png", "RGBA"),
        ("bmp", "L"),
        ("bmp", "RGB"),
    ],
)
def test_stored_values_come_back_untouched(
    tmp_path: Path, suffix: str, mode: str
) -> None:
    picture = Image.fromarray(colour()).convert(mode)
    picture.save(tmp_path / f"a.{suffix}")
    expected = np.asarray(picture).reshape(24, 30, -1)
    assert np.array_equal(_read(tmp_path / f"a.{suffix}"), expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path, channels: int) -> None:
    pixels = deep(channels)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    assert np.array_equal(_read(tmp_path / "a.png"), pixels)


def test_a_palette_is_colours_in_an_image_and_ids_in_a_mask(tmp_path: Path) -> None:
    ids = np.arange(24 * 30, dtype=np.uint8).reshape(24, 30) % 3
    picture = Image.fromarray(ids).convert("P")
    picture.putpalette([9, 8, 7, 200, 100, 50, 1, 2, 3])
    picture.save(tmp_path / "a.png")
    palette = np.array([[9, 8, 7], [200, 100, 50], [1, 2, 3]], np.uint8)
    assert np.array_equal(_read(tmp_path / "a.png"), palette[ids])
    assert np.array_equal(_read(tmp_path / "a.png", as_mask=True)[..., 0], ids)


def test_transparent_palettes_keep_their_alpha(tmp_path: Path) -> None:
    picture = Image.fromarray(np.eye(8, dtype=np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(tmp_path / "a.png", transparency=0)
    pixels = _read(tmp_path / "a.png")
    assert np.array_equal(pixels[..., 3], np.eye(8, dtype=np.uint8) * 255)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_black_and_white_is_0_and_255_in_an_image_and_0_and_1_in_a_mask(
    tmp_path: Path, suffix: str
) -> None:
    white = np.eye(9, dtype=np.uint8)
    Image.fromarray(white * 255).convert("1").save(tmp_path / f"a.{suffix}")
    assert np.array_equal(_read(tmp_path / f"a.{suffix}")[..., 0], white * 255)
    assert np.array_equal(_read(tmp_path / f"a.{suffix}", as_mask=True)[..., 0], white)


@pytest.mark.parametrize("bits", [2, 4])
def test_ids_in_few_bits_of_grey_are_not_stretched(tmp_path: Path, bits: int) -> None:
    ids = (np.arange(16, dtype=np.uint8) % 2**bits).reshape(2, 8)
    per_byte = 8 // bits
    shifts = np.arange(per_byte)[::-1] * bits
    packed = (ids.reshape(2, -1, per_byte) << shifts).sum(axis=2).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    (tmp_path / "a.png").write_bytes(_png(8, 2, bits=bits, colour_type=0, rows=rows))
    assert np.array_equal(_read(tmp_path / "a.png", as_mask=True)[..., 0], ids)
    assert _read(tmp_path / "a.png").max() == 255


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("as_mask", [False, True])
def test_exif_rotation_is_applied_to_images_and_masks(
    tmp_path: Path, number: int, suffix: str, *, as_mask: bool
) -> None:
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[EXIF_TAG] = number
    Image.fromarray(colour()).save(path, exif=exif)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(_read(path, as_mask=as_mask), expected)


def test_opening_decodes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(colour(200, 200)).save(path)
    path.write_bytes(path.read_bytes()[:200])
    with RasterScan(path) as scan:
        assert (scan.extent, scan.channels) == (Extent(200, 200), 3)
        with pytest.raises(ScanError, match=r"a\.png can't be read"):
            scan.read(Region(0, 0, 1, 1))


def test_a_decompression_bomb_is_refused_from_the_header(tmp_path: Path) -> None:
    rows = (b"\0" + bytes(20_000 // 8)) * 20_000
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(_png(20_000, 20_000, bits=1, colour_type=0, rows=rows))
    assert bomb.stat().st_size < 60_000
    with pytest.raises(ScanError, match=r"bomb\.png has .*400 million.* tiled TIFF"):
        RasterScan(bomb)


def test_what_lies_under_the_cap_and_above_pillows_is_opened(tmp_path: Path) -> None:
    rows = (b"\0" + bytes(19_000 // 8)) * 10_000
    path = tmp_path / "wide.png"
    path.write_bytes(_png(19_000, 10_000, bits=1, colour_type=0, rows=rows))
    with RasterScan(path) as scan:
        assert scan.extent == Extent(10_000, 19_000)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_a_size_that_the_file_can_not_hold_is_refused_from_the_header(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.zeros((300, 300), np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    place, size = {
        "png": (16, struct.pack(">II", 16_000, 12_000)),
        "jpg": (content.find(b"\xff\xc0") + 5, struct.pack(">HH", 12_000, 16_000)),
        "bmp": (18, struct.pack("<ii", 16_000, 12_000)),
    }[suffix]
    content[place : place + len(size)] = size
    if suffix == "png":
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content[:9000])
    with pytest.raises(ScanError, match=r"12000x16000 px, which its .* can't hold"):
        RasterScan(path)


def test_print_colours_are_refused(tmp_path: Path) -> None:
    Image.fromarray(colour()).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(ScanError, match="CMYK"):
        RasterScan(tmp_path / "a.jpg")


@pytest.mark.parametrize("content", [b"", b"II*\0", b"hello, world"])
def test_another_format_is_told_by_its_first_bytes(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ScanError, match="is no PNG, JPEG or BMP"):
        RasterScan(tmp_path / "a.png")


def test_the_signature_decides_and_not_the_name(tmp_path: Path) -> None:
    Image.fromarray(colour()).save(tmp_path / "a.png", format="JPEG")
    assert _read(tmp_path / "a.png").shape == (24, 30, 3)


def test_a_closed_scan_says_so(tmp_path: Path) -> None:
    Image.fromarray(colour()).save(tmp_path / "a.png")
    with RasterScan(tmp_path / "a.png") as scan:
        pass
    with pytest.raises(ScanError, match="was closed"):
        scan.read_all()


def test_rotation_that_comes_after_the_pixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(colour()).save(path)
    exif = Image.Exif()
    exif[EXIF_TAG] = 6
    data = exif.tobytes().removeprefix(b"Exif\0\0")
    whole = path.read_bytes()
    end = whole.rindex(b"IEND") - 4
    path.write_bytes(whole[:end] + _chunk(b"eXIf", data) + whole[end:])
    with (
        RasterScan(path) as scan,
        pytest.raises(ScanError, match="only after its pixels"),
    ):
        scan.read_all()


def _png(width: int, height: int, *, bits: int, colour_type: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    parts = (
        _chunk(b"IHDR", header),
        _chunk(b"IDAT", zlib.compress(rows, 9)),
        _chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum
