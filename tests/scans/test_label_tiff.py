from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.errors import ScanError
from segx.geometry import Extent, Region, Space
from segx.labels import Labels
from segx.scans import label_tiff, pyramid
from segx.scans.files import open_scan
from segx.scans.label_tiff import LabelTiff
from segx.scans.memory import ArrayScan
from segx.scans.resize import resize_mask
from segx.scans.scan import Scan

_LABELS = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
_LAYERS = Labels("multilabel", ("a", "b", "c"))


def _write(
    path: Path,
    mask: np.ndarray,
    labels: Labels,
    *,
    band: int = 7,
    spacing_mm: tuple[float, float] | None = None,
) -> None:
    like = ArrayScan(mask)
    like.spacing_mm = spacing_mm
    with LabelTiff(path, like=like, labels=labels) as sink:
        for top in range(0, len(mask), band):
            part = mask[top : top + band]
            sink.write(Region(top, 0, len(part), mask.shape[1]), part)


@settings(max_examples=25)
@given(
    rows=st.integers(1, 600),
    cols=st.integers(1, 600),
    band=st.integers(1, 700),
    labels=st.sampled_from([_LABELS, _LAYERS]),
)
def test_ids_come_back(
    rows: int,
    cols: int,
    band: int,
    labels: Labels,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("tiff") / "mask.tif"
    random = np.random.default_rng(rows * 1000 + cols)
    is_multilabel = labels is _LAYERS
    shape = (rows, cols, 3) if is_multilabel else (rows, cols)
    mask = random.integers(0, 2 if is_multilabel else 3, shape, np.uint8)
    _write(path, mask, labels, band=band)
    with open_scan(path, as_mask=True) as scan:
        assert np.array_equal(scan.read_all(), mask.reshape(rows, cols, -1))
    other = tifffile.imread(path)
    assert np.array_equal(np.moveaxis(other, 0, 2) if is_multilabel else other, mask)


def test_the_file_is_tiled_compressed_coloured_and_knows_its_pixel_size(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mask.tif"
    mask = np.full((300, 500), 2, np.uint8)
    _write(path, mask, _LABELS, spacing_mm=(0.0005, 0.00025))
    assert path.stat().st_size < mask.size / 40
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        assert page.is_tiled
        assert page.photometric.name == "PALETTE"
        assert tuple(page.colormap[:, 2] // 257) == _LABELS.colours[2]
    with open_scan(path) as scan:
        assert scan.spacing_mm == pytest.approx((0.0005, 0.00025))
        assert tuple(scan.read_all()[0, 0]) == _LABELS.colours[2]


def test_a_single_layer_is_a_plane(tmp_path: Path) -> None:
    mask = np.eye(20, dtype=np.uint8)[..., np.newaxis]
    _write(tmp_path / "a.tif", mask, Labels("multilabel", ("only",)))
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), mask[..., 0])


def test_masks_beyond_four_gigabytes_become_bigtiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_tiff, "_LARGEST_CLASSIC", 100)
    mask = np.ones((20, 20), np.uint8)
    _write(tmp_path / "a.tif", mask, _LABELS)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_bigtiff
        assert np.array_equal(file.asarray(), mask)


def test_the_same_mask_gives_the_same_bytes(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(0, 3, (40, 50), np.uint8)
    for band in (1, 40):
        _write(tmp_path / f"{band}.tif", mask, _LABELS, band=band)
    assert (tmp_path / "1.tif").read_bytes() == (tmp_path / "40.tif").read_bytes()


def _write_stack(
    path: Path, stack: np.ndarray, labels: Labels, *, space: Space | None = None
) -> None:
    """A mask of several planes, (planes, rows, cols[, classes])."""
    like: Scan = ArrayScan(stack[0])
    like.planes, like.space = len(stack), space
    like.spacing_mm = None if space is None else space.pixel_mm
    with LabelTiff(path, like=like, labels=labels) as sink:
        for plane, mask in enumerate(stack):
            for top in range(0, len(mask), 30):
                part = mask[top : top + 30]
                region = Region(top, 0, len(part), mask.shape[1])
                sink.write(region, part, plane=plane)


@settings(max_examples=25)
@given(data=st.data())
def test_levels_and_planes_are_there_for_every_reader(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    planes = data.draw(st.integers(1, 3))
    rows, cols = data.draw(st.integers(1, 400)), data.draw(st.integers(1, 400))
    labels = data.draw(st.sampled_from([_LABELS, _LAYERS]))
    is_multilabel = labels is _LAYERS
    name = data.draw(st.sampled_from(["mask.tif", "mask.ome.tif"]))
    path = tmp_path_factory.mktemp("tiff") / name
    shape = (planes, rows, cols, *((3,) if is_multilabel else ()))
    stack = np.random.default_rng(rows).integers(0, 2, shape, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyramid, "_LONGEST", 60)
        _write_stack(path, stack, labels)
    with tifffile.TiffFile(path) as file, open_scan(path, as_mask=True) as scan:
        assert file.is_ome
        (series,) = file.series
        assert scan.planes == planes
        assert len(series.levels) == len(scan.levels)
        assert max(scan.levels[-1].rows, scan.levels[-1].cols) <= 60
        for number, (level, extent) in enumerate(
            zip(series.levels, scan.levels, strict=True)
        ):
            small = np.stack([resize_mask(mask, extent) for mask in stack])
            other = level.asarray()
            ours = [
                scan.read(Region.whole(extent), plane=plane, level=number)
                for plane in range(planes)
            ]
            assert np.array_equal(ours, small.reshape(planes, *ours[0].shape))
            expected = np.moveaxis(small, 3, 1) if is_multilabel else small
            assert np.array_equal(other.ravel(), expected.ravel())


def test_a_slide_reader_sees_all_levels_and_the_pixel_size(tmp_path: Path) -> None:
    tiffslide = pytest.importorskip("tiffslide", reason="needs the extra wsi")
    path = tmp_path / "mask.ome.tif"
    random = np.random.default_rng(0)
    mask = np.kron(random.integers(0, 3, (40, 50), np.uint8), np.ones((70, 70), "u1"))
    _write(path, mask, _LABELS, band=900, spacing_mm=(0.0005, 0.00025))
    with tiffslide.TiffSlide(path) as slide:
        assert slide.level_dimensions == ((3500, 2800), (1750, 1400))
        assert slide.properties["tiffslide.mpp-x"] == pytest.approx(0.25)
        assert slide.properties["tiffslide.mpp-y"] == pytest.approx(0.5)
        seen = slide.read_region((700, 300), 0, (500, 400), as_array=True)
        assert np.array_equal(seen[..., 0], mask[300:700, 700:1200])
        small = slide.read_region((0, 0), 1, (1750, 1400), as_array=True)
        assert np.array_equal(small[..., 0], resize_mask(mask, Extent(1400, 1750)))


def test_the_ome_xml_names_classes_and_sizes(tmp_path: Path) -> None:
    path = tmp_path / "mask.ome.tif"
    stack = np.zeros((4, 20, 30), np.uint8)
    _write_stack(path, stack, _LABELS, space=Space((0.002, 0.0005, 0.00025)))
    with tifffile.TiffFile(path) as file:
        ome = tifffile.xml2dict(file.ome_metadata)["OME"]
    pixels = ome["Image"]["Pixels"]
    names = ome["StructuredAnnotations"]["MapAnnotation"]["Value"]["M"]
    assert [name["value"] for name in names] == list(_LABELS.names)
    assert (pixels["SizeZ"], pixels["SizeY"], pixels["SizeX"]) == (4, 20, 30)
    assert pixels["PhysicalSizeZ"] == 0.002
    assert pixels["PhysicalSizeXUnit"] == "mm"
    with open_scan(path) as scan:
        assert scan.space == Space((0.002, 0.0005, 0.00025))


def test_names_that_xml_must_escape_come_back(tmp_path: Path) -> None:
    labels = Labels("multilabel", ('<a & "b">', "größer"))
    _write(tmp_path / "a.ome.tif", np.zeros((9, 9, 2), np.uint8), labels)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        ome = tifffile.xml2dict(file.ome_metadata)["OME"]
    channels = ome["Image"]["Pixels"]["Channel"]
    assert [channel["Name"] for channel in channels] == list(labels.names)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_mask_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "mask.ome.tif"
    mask = np.random.default_rng(0).integers(0, 3, (2100, 300), np.uint8)
    _write(path, mask, _LABELS, band=500)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ScanError, match=r"mask\.ome\.tif"):
        open_scan(path)
