import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import MissingExtraError, ScanError
from segx.geometry import Extent, Region
from segx.scans import slide as slide_module
from segx.scans.files import open_scan
from segx.scans.slide import SlideScan
from tests.scans.pictures import colour

openslide = pytest.importorskip("openslide", reason="needs the extra wsi")
tiffslide = pytest.importorskip("tiffslide", reason="needs the extra wsi")

_ROWS, _COLS = 301, 420  # levels that don't fit the full one's grid


@pytest.fixture(scope="module")
def svs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[NDArray]]:
    """A slide like Aperio's, lossless; with its levels."""
    path = tmp_path_factory.mktemp("slides") / "a.svs"
    levels = [colour(_ROWS, _COLS)[::step, ::step] for step in (1, 2, 4)]
    description = (
        f"Aperio Image Library v12\r\n{_COLS}x{_ROWS} (64x64) |AppMag = 20|MPP = 0.5"
    )
    with tifffile.TiffWriter(path) as writer:
        for level in levels:
            writer.write(
                level,
                photometric="rgb",
                tile=(64, 64),
                compression="lzw",
                metadata=None,
                description=description,
            )
            if level is levels[0]:
                # the thumbnail comes second
                writer.write(
                    level[::9, ::9], photometric="rgb", metadata=None, description="A"
                )
    return path, levels


@pytest.fixture(params=["openslide", "tiffslide"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "tiffslide":
        monkeypatch.setitem(sys.modules, "openslide", None)
    return str(request.param)


def test_a_slide_is_rgb_with_levels_and_a_pixel_size(
    svs: tuple[Path, list[NDArray]], library: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, levels = svs
    caplog.set_level(logging.INFO)
    with open_scan(path) as scan:
        assert (scan.channels, scan.dtype, scan.planes) == (3, np.uint8, 1)
        assert scan.levels == tuple(Extent(*level.shape[:2]) for level in levels)
        assert scan.spacing_mm == pytest.approx((0.0005, 0.0005))
        assert np.array_equal(scan.read_all(), levels[0])
    assert library in caplog.text.lower().replace("want of openslide", "")


@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize("name", ["openslide", "tiffslide"])
def test_a_window_is_a_cut_from_the_whole_at_every_level(
    data: st.DataObject, svs: tuple[Path, list[NDArray]], name: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slide_module, "_BLOCK", 64)
        if name == "tiffslide":
            patch.setitem(sys.modules, "openslide", None)
        with SlideScan(svs[0]) as scan:
            level = data.draw(st.integers(0, 2))
            extent = scan.levels[level]
            top = data.draw(st.integers(0, extent.rows - 1))
            left = data.draw(st.integers(0, extent.cols - 1))
            rows = data.draw(st.integers(1, extent.rows - top))
            cols = data.draw(st.integers(1, extent.cols - left))
            region = Region(top, left, rows, cols)
            whole = scan.read(Region.whole(extent), level=level)
            assert np.array_equal(scan.read(region, level=level), whole[region.slices])
            if name == "tiffslide":
                assert np.array_equal(whole, svs[1][level])


def test_the_levels_of_a_scanner_lie_where_they_should(
    svs: tuple[Path, list[NDArray]],
) -> None:
    with SlideScan(svs[0]) as scan:
        for number, level in enumerate(svs[1]):
            whole = scan.read(Region.whole(scan.levels[number]), level=number)
            assert np.mean(np.abs(whole.astype(int) - level)) <= 5  # of noise of 0 … 40


def test_what_the_scanner_left_out_is_white(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    tiles = [np.full((64, 64, 3), 90, np.uint8), None]
    tifffile.imwrite(
        path,
        iter(tiles),
        shape=(64, 128, 3),
        dtype=np.uint8,
        tile=(64, 64),
        photometric="rgb",
        compression="jpeg",
        metadata=None,
        description="Aperio Image Library v12 |AppMag = 20",
    )
    with SlideScan(path) as scan:
        pixels = scan.read_all()
        assert scan.spacing_mm is None
    assert pixels[:, 70:].min() == 255
    assert pixels[:, :60].max() < 100


def test_fixtures_of_openslide_are_read_or_refused(
    shared_data: Callable[[str], Path], library: str
) -> None:
    folder = shared_data("formats") / "wsi_openslide_fixtures"
    with open_scan(folder / "small.svs") as scan:
        assert scan.extent == Extent(16, 16)
        assert scan.spacing_mm == pytest.approx((0.000499, 0.000499))
        assert scan.read_all().shape == (16, 16, 3)
    with (
        pytest.raises(ScanError, match=r"unreadable\.svs can't be read: Bogus marker"),
        open_scan(folder / "unreadable.svs") as scan,
    ):
        scan.read_all()


@pytest.mark.parametrize(
    "name",
    ["wsi_openslide_fixtures/boxes.tiff", "tiff_pyramid_derived/he_pyramid_tiled.tif"],
)
def test_pyramids_of_real_tiffs_are_what_a_slide_reader_sees(
    shared_data: Callable[[str], Path], name: str
) -> None:
    path = shared_data("formats") / name
    with open_scan(path) as scan, tiffslide.TiffSlide(path) as slide:
        sizes = tuple((extent.cols, extent.rows) for extent in scan.levels)
        assert sizes == slide.level_dimensions
        for level, extent in enumerate(scan.levels):
            ours = scan.read(Region.whole(extent), level=level)
            theirs = slide.read_region((0, 0), level, sizes[level], as_array=True)
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_slide_cut_short_is_refused_and_named(
    svs: tuple[Path, list[NDArray]], tmp_path: Path, share: float, library: str
) -> None:
    cut = tmp_path / "cut.svs"
    whole = svs[0].read_bytes()
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ScanError) as caught:
        _read_all_levels(cut)
    assert str(cut) in str(caught.value)


def _read_all_levels(path: Path) -> None:
    with open_scan(path) as scan:
        for level, extent in enumerate(scan.levels):
            scan.read(Region.whole(extent), level=level)


@pytest.mark.parametrize("tag", ["ImageLength", "TileWidth"])
def test_sizes_that_can_not_be_true_are_refused_before_openslide_sees_them(
    svs: tuple[Path, list[NDArray]], tmp_path: Path, tag: str
) -> None:
    path = tmp_path / "a.svs"
    path.write_bytes(svs[0].read_bytes())
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags[tag].overwrite(2**24, dtype="I")
    with pytest.raises(ScanError, match=r"a\.svs is damaged: its page 0"):
        SlideScan(path)


def test_no_file_and_no_slide(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="There is no file"):
        SlideScan(tmp_path / "a.svs")
    (tmp_path / "a.mrxs").write_bytes(b"no slide")
    with pytest.raises(ScanError, match=r"a\.mrxs can't be read"):
        SlideScan(tmp_path / "a.mrxs")


def test_without_a_library_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openslide", None)
    for name in ("a.svs", "a.mrxs"):
        (tmp_path / name).touch()
    with pytest.raises(MissingExtraError, match=r"pip install .*\[wsi\]"):
        SlideScan(tmp_path / "a.mrxs")
    monkeypatch.setitem(sys.modules, "tiffslide", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[wsi\]"):
        SlideScan(tmp_path / "a.svs")


def test_a_closed_slide_says_so(svs: tuple[Path, list[NDArray]]) -> None:
    with SlideScan(svs[0]) as scan:
        pass
    scan.close()
    with pytest.raises(ScanError, match="was closed"):
        scan.read_all()
