from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from segx.geometry import Region
from segx.labels import Labels
from segx.scans import label_tiff
from segx.scans.files import open_scan
from segx.scans.label_tiff import LabelTiff
from segx.scans.memory import ArrayScan

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
    assert path.stat().st_size < mask.size / 50
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
