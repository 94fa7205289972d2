import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Extent, Region, Space
from segx.scans import resolution
from segx.scans.memory import ArrayScan
from segx.scans.resize import resize_image
from segx.scans.resolution import ResolvedScan, at_resolution
from segx.scans.scan import Scan
from segx.scans.tiff import TiffScan
from tests.scans.pictures import colour

_MM = (0.0005, 0.0005)


def _scan(
    rows: int = 120, cols: int = 90, *, dtype: str = "u1", mm: Any = _MM
) -> ArrayScan:
    scan = ArrayScan(colour(rows, cols).astype(dtype))
    scan.spacing_mm = mm
    return scan


class _Pyramid(Scan):
    """Levels in memory."""

    def __init__(self, levels: list[NDArray[Any]]) -> None:
        extents = [Extent(*level.shape[:2]) for level in levels]
        super().__init__(
            Path("pyramid"),
            extent=extents[0],
            channels=3,
            dtype=levels[0].dtype,
            spacing_mm=_MM,
            levels=tuple(extents),
        )
        self._pixels = levels
        self.read_levels: set[int] = set()

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        self.read_levels.add(level)
        return self._pixels[level][region.slices]


@settings(max_examples=150)
@given(data=st.data())
def test_no_pixel_depends_on_how_the_scan_is_cut(data: st.DataObject) -> None:
    draw = data.draw
    dtype = draw(st.sampled_from(["u1", "u2", "i2", "f4", "f8"]))
    scan = _scan(draw(st.integers(1, 120)), draw(st.integers(1, 120)), dtype=dtype)
    mpp = draw(st.floats(0.2, 8.0))
    view = at_resolution(scan, mpp=mpp)
    extent = view.extent
    top = draw(st.integers(0, extent.rows - 1))
    left = draw(st.integers(0, extent.cols - 1))
    rows = draw(st.integers(1, extent.rows - top))
    cols = draw(st.integers(1, extent.cols - left))
    region = Region(top, left, rows, cols)
    part = view.read(region)
    assert part.dtype == view.dtype == scan.dtype
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolution, "_PIECE", draw(st.sampled_from([100, 2**22])))
        assert np.array_equal(part, view.read_all()[region.slices])


@given(rows=st.integers(1, 99), cols=st.integers(1, 99), mpp=st.floats(0.2, 6.0))
def test_pixels_are_those_of_the_rule_of_training(
    rows: int, cols: int, mpp: float
) -> None:
    scan = _scan(rows, cols, dtype="f4")
    view = at_resolution(scan, mpp=mpp)
    expected = resize_image(scan.read_all(), view.extent)
    assert np.allclose(view.read_all(), expected, atol=0.01)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4"])
def test_an_even_picture_stays_even(dtype: str) -> None:
    scan = ArrayScan(np.full((50, 60, 2), 97, dtype))
    scan.spacing_mm = _MM
    for mpp in (0.3, 0.77, 2.1):
        assert np.all(at_resolution(scan, mpp=mpp).read_all() == 97)


@given(rows=st.integers(1, 4000), cols=st.integers(1, 4000), mpp=st.floats(0.1, 20))
def test_size_spacing_and_scale_agree(rows: int, cols: int, mpp: float) -> None:
    scan = ArrayScan(np.broadcast_to(np.uint8(0), (rows, cols)))
    scan.spacing_mm = _MM
    view = at_resolution(scan, mpp=mpp)
    assert isinstance(view, ResolvedScan)
    down, across = view.level0_scale
    assert (down * view.extent.rows, across * view.extent.cols) == pytest.approx(
        (rows, cols)
    )
    assert view.spacing_mm == pytest.approx((_MM[0] * down, _MM[1] * across))


@pytest.mark.parametrize(
    ("mpp", "level"), [(0.5, 0), (0.7, 0), (1.0, 1), (1.004, 1), (1.9, 1), (9.0, 2)]
)
def test_the_coarsest_level_that_is_fine_enough_is_read(mpp: float, level: int) -> None:
    full = colour(400, 300)
    scan = _Pyramid([full, full[::2, ::2], full[::4, ::4]])
    view = at_resolution(scan, mpp=mpp)
    view.read_all()
    assert scan.read_levels == {level}


def test_a_level_within_one_percent_is_taken_as_it_is() -> None:
    full = colour(401, 301)
    scan = _Pyramid([full, full[::2, ::2][:200, :150]])
    view = at_resolution(scan, mpp=1.0)
    assert np.array_equal(view.read_all(), full[::2, ::2][:200, :150])
    assert view.level0_scale == (401 / 200, 301 / 150)


def test_a_level_can_be_asked_for_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(colour(64, 96), subifds=1, photometric="rgb")
        writer.write(colour(64, 96)[::2, ::2], subfiletype=1, photometric="rgb")
    with at_resolution(TiffScan(path), level=1) as view:
        assert view.extent == Extent(32, 48)
        assert view.spacing_mm is None
        assert np.array_equal(view.read_all(), colour(64, 96)[::2, ::2])
    with pytest.raises(ScanError, match="was closed"):
        view.read_all()


def test_a_missing_pixel_size_can_be_given() -> None:
    view = at_resolution(_scan(mm=None), pixel_mm=(0.001, 0.0005))
    assert view.spacing_mm == (0.001, 0.0005)
    assert np.array_equal(view.read_all(), colour(120, 90))
    coarse = at_resolution(_scan(mm=None), mpp=2.0, pixel_mm=(0.001, 0.0005))
    assert coarse.extent == Extent(60, 22)


def test_a_pixel_size_that_is_contradicted_is_taken_aloud(
    caplog: pytest.LogCaptureFixture,
) -> None:
    view = at_resolution(_scan(), pixel_mm=(0.001, 0.001))
    assert view.spacing_mm == (0.001, 0.001)
    assert "0.0005 x 0.0005 mm; 0.001 x 0.001 mm is taken" in caplog.text
    caplog.clear()
    at_resolution(_scan(), pixel_mm=_MM)
    assert not caplog.messages
    assert logging.getLogger("segx").isEnabledFor(logging.WARNING)


def test_nothing_asked_is_the_scan_itself() -> None:
    scan = _scan()
    assert at_resolution(scan) is scan


def test_a_volume_keeps_its_planes_and_its_corner() -> None:
    scan = _scan(80, 60)
    scan.space = Space((3.0, 0.5, 0.5), origin_mm=(10.0, 20.0, 30.0))
    scan.spacing_mm = scan.space.pixel_mm
    view = at_resolution(scan, mpp=1000.0)
    assert view.space is not None
    assert view.space.spacing_mm == (3.0, 1.0, 1.0)
    assert view.space.origin_mm == (10.25, 20.25, 30.0)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"mpp": 1.0}, "--pixel-size"),
        ({"level": 2}, "no level 2, but 0: 120x90 px"),
        ({"level": 0, "mpp": 1.0}, "Give one"),
        ({"mpp": 0.0}, "can't be 0 large"),
        ({"pixel_mm": (1.0, -1.0)}, "can't be -1 large"),
        ({"mpp": float("nan")}, "can't be nan large"),
    ],
)
def test_what_can_not_be_is_refused(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(ScanError, match=message):
        at_resolution(_scan(mm=None), **wanted)
