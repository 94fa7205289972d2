from pathlib import Path

import numpy as np
import pytest
import tifffile

from segx.errors import ScanError
from segx.scans.tiff import TiffScan
from tests.scans.pictures import colour


def test_more_axes_than_a_scan_has_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "stack.ome.tif"
    stack = np.zeros((2, 3, 8, 9), np.uint8)
    metadata = {"axes": "TZYX"}
    tifffile.imwrite(path, stack, photometric="minisblack", metadata=metadata)
    with pytest.raises(ScanError, match=r"axes TZYX = \(2, 3, 8, 9\).*Save the"):
        TiffScan(path)


def test_pages_of_other_sizes_are_refused_unless_they_are_smaller(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    for second, refused in ((colour(10, 10), False), (colour(50, 10), True)):
        with tifffile.TiffWriter(path) as writer:
            writer.write(colour(), photometric="rgb")
            writer.write(second, photometric="rgb")
        if refused:
            with pytest.raises(ScanError, match="several pictures"):
                TiffScan(path)
        else:
            with TiffScan(path) as scan:
                assert np.array_equal(scan.read_all(), colour())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("subifds", [None, 2])
def test_a_pyramid_cut_short_is_refused(
    tmp_path: Path, share: float, subifds: int | None
) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for step in (1, 2, 4):
            writer.write(
                colour(128, 128)[::step, ::step],
                subifds=subifds if step == 1 else None,
                subfiletype=0 if step == 1 else 1,
                tile=(16, 16),
                photometric="rgb",
                compression="zlib",
            )
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ScanError, match=r"a\.tif"):
        TiffScan(path)


def test_colours_that_would_be_misread_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    cmyk = np.zeros((8, 8, 4), np.uint8)
    tifffile.imwrite(path, cmyk, photometric="separated")
    with pytest.raises(ScanError, match="SEPARATED"):
        TiffScan(path)
    tifffile.imwrite(path, np.zeros((8, 8), np.complex64))
    with pytest.raises(ScanError, match="complex64"):
        TiffScan(path)


def test_a_strip_too_large_to_decode_is_refused_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, colour(20, 20), compression="zlib", photometric="rgb")
    with tifffile.TiffFile(path, mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages.first.tags[name].overwrite(30_000, dtype="I")
    with pytest.raises(ScanError, match="in pieces of 2700 million values"):
        TiffScan(path)


def test_missing_strips_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, colour(20, 20), compression="zlib", rowsperstrip=5)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["ImageLength"].overwrite(200)
    with pytest.raises(ScanError, match="has 4 of 40 tiles or strips"):
        TiffScan(path)


@pytest.mark.parametrize("big", [False, True])
def test_pages_beyond_the_end_are_not_passed_over(tmp_path: Path, *, big: bool) -> None:
    path = tmp_path / "a.ome.tif"
    planes = np.zeros((4, 50, 50), np.uint8)
    tifffile.imwrite(
        path, planes, photometric="minisblack", metadata={"axes": "CYX"}, bigtiff=big
    )
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ScanError, match=r"a\.ome\.tif"):
        TiffScan(path)


def test_no_file_and_no_tiff(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="There is no file"):
        TiffScan(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(b"not a TIFF at all")
    with pytest.raises(ScanError, match=r"a\.tif can't be read"):
        TiffScan(tmp_path / "a.tif")


def test_planes_behind_one_directory_are_counted_before_they_are_listed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, shaped=True) as writer:
        stack = np.zeros((5, 20, 30), np.uint8)
        writer.write(stack, photometric="minisblack", contiguous=True, truncate=True)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"[5, 20", b"[9, 20"))
    with pytest.raises(ScanError, match="its 9 planes end at byte"):
        TiffScan(path)
