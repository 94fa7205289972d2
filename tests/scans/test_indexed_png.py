from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from segx.geometry import Region
from segx.labels import Labels
from segx.scans.files import open_scan
from segx.scans.indexed_png import IndexedPng
from segx.scans.memory import ArrayScan

_LABELS = Labels("multiclass", ("background", "cytoplasm", "nucleus"))


def _write(path: Path, mask: np.ndarray, labels: Labels, *, band: int) -> IndexedPng:
    rows, cols = mask.shape[:2]
    with IndexedPng(path, like=ArrayScan(mask), labels=labels) as sink:
        for top in range(0, rows, band):
            part = mask[top : top + band]
            sink.write(Region(top, 0, len(part), cols), part)
    return sink


@given(rows=st.integers(1, 40), cols=st.integers(1, 40), band=st.integers(1, 50))
def test_ids_come_back_from_any_reader(
    rows: int, cols: int, band: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("png") / "mask.png"
    random = np.random.default_rng(rows * 100 + cols)
    mask = random.integers(0, 3, (rows, cols), np.uint8)
    _write(path, mask, _LABELS, band=band)
    with Image.open(path) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), mask)
        colours = np.array(_LABELS.colours, np.uint8)
        assert np.array_equal(np.asarray(picture.convert("RGB")), colours[mask])
    with open_scan(path, as_mask=True) as scan:
        assert np.array_equal(scan.read_all()[..., 0], mask)


def test_multilabel_masks_are_one_file_a_class(tmp_path: Path) -> None:
    labels = Labels("multilabel", ("lung left", "a/b"))
    mask = np.random.default_rng(0).integers(0, 2, (9, 8, 2), np.uint8)
    sink = _write(tmp_path / "scan.png", mask, labels, band=4)
    names = [path.name for path in sink.paths]
    assert names == ["scan.lung left.png", "scan.a%2Fb.png"]
    for index, path in enumerate(sink.paths):
        with open_scan(path, as_mask=True) as scan:
            assert np.array_equal(scan.read_all()[..., 0], mask[..., index])
