import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segx
from segx.errors import ScanError
from segx.geometry import Extent, Space
from segx.inference.confidence import LOOK, Confidence
from segx.inference.plan import TilePlan
from segx.inference.summary import (
    Method,
    PixelCounter,
    ScanSummary,
    pixel_size,
    read_confidence,
    summarise_scan,
    write_summary,
)
from segx.labels import Labels
from segx.scans.memory import ArrayScan

BINARY = Labels("binary", ("background", "cell"))
THREE = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
LAYERS = Labels("multilabel", ("red", "green", "blue"))
_SURE = Confidence(
    mean_entropy=0.25, disagreement=None, soft_dice=0.5, predicted_dice=0.375, flag=LOOK
)


def _method(*, batch_size: int = 1) -> Method:
    return Method.of(
        TilePlan(tile=256, overlap=0.5, batch_size=batch_size),
        Extent(2000, 1000),
        model="runs/cells",
        model_sha256="ab" * 32,
        config_sha256="cd" * 32,
        runtime="torch cpu bf16",
    )


def _scan(
    *, planes: int = 1, spacing_mm: tuple[float, float] | None = None
) -> ArrayScan:
    scan = ArrayScan(np.zeros((4, 5), np.uint8), path=Path("folder/a.tif"))
    scan.planes, scan.spacing_mm = planes, spacing_mm
    return scan


def _summary(
    scan: ArrayScan, pixels: list[int], *, method: Method | None = None
) -> ScanSummary:
    expected = [float(number) for number in pixels]
    return summarise_scan(
        scan,
        method or _method(),
        labels=BINARY,
        pixels=pixels,
        expected=expected,
        confidence=_SURE,
    )


@pytest.mark.parametrize("labels", [BINARY, THREE, LAYERS])
@given(rows=st.integers(1, 30), band=st.integers(1, 30), seed=st.integers(0, 99))
def test_pixels_are_counted_whatever_the_bands(
    labels: Labels, rows: int, band: int, seed: int
) -> None:
    is_multilabel = labels.kind == "multilabel"
    shape = (rows, 7, 3) if is_multilabel else (rows, 7)
    largest = 1 if is_multilabel else len(labels.names) - 1
    random = np.random.default_rng(seed)
    mask = random.integers(0, largest, shape, np.uint8, endpoint=True)
    counter = PixelCounter(labels)
    for top in range(0, rows, band):
        counter.add(mask[top : top + band])
    layers = [mask[..., index] for index in range(3)] if is_multilabel else [mask]
    ids = [1] if is_multilabel else range(1, largest + 1)
    assert counter.pixels == tuple(int((a == i).sum()) for a in layers for i in ids)


def test_a_plane_has_an_area_and_a_volume_has_a_volume() -> None:
    assert pixel_size(_scan()) is None
    assert pixel_size(_scan(spacing_mm=(0.5, 0.25))) == 0.125
    # A stack whose planes' distance is unknown has neither.
    stack = _scan(planes=3, spacing_mm=(0.5, 0.25))
    assert pixel_size(stack) is None
    plane = _scan(spacing_mm=(0.5, 0.25))
    (cell,) = _summary(plane, [8]).classes
    assert (cell.area_mm2, cell.volume_mm3) == (1.0, None)
    stack.space = Space((2.0, 0.5, 0.25))
    summary = _summary(stack, [8])
    assert summary.spacing_mm == (2.0, 0.5, 0.25)
    (cell,) = summary.classes
    assert (cell.area_mm2, cell.volume_mm3) == (None, 2.0)
    assert cell.share == 8 / 60


def test_the_file_says_what_was_found_and_how(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    summary = summarise_scan(
        _scan(),
        _method(),
        labels=THREE,
        pixels=[5, 0],
        expected=[4.5, 0.25],
        confidence=_SURE,
        components=[2, 0],
    )
    write_summary(path, summary)
    unknown = {"area_mm2": None, "volume_mm3": None, "share_of_region": None}
    assert json.loads(path.read_text()) == {
        "scan": "a.tif",
        "planes": 1,
        "rows": 4,
        "cols": 5,
        "spacing_mm": None,
        "classes": [
            {
                "name": "cytoplasm",
                "pixels": 5,
                "share": 0.25,
                "components": 2,
                "expected_pixels": 4.5,
            }
            | unknown,
            {
                "name": "nucleus",
                "pixels": 0,
                "share": 0.0,
                "components": 0,
                "expected_pixels": 0.25,
            }
            | unknown,
        ],
        "confidence": {
            "mean_entropy": 0.25,
            "disagreement": None,
            "soft_dice": 0.5,
            "predicted_dice": 0.375,
            "flag": LOOK,
        },
        "method": {
            "model": "runs/cells",
            "model_sha256": "ab" * 32,
            "config_sha256": "cd" * 32,
            "runtime": "torch cpu bf16",
            "tile": [256, 256],
            "overlap_px": [128, 128],
            "blend": "hann",
            "segx": segx.__version__,
            "cleaning": None,
        },
        "region": None,
        "probabilities": None,  # of the whole image: there is no such class
    }
    assert read_confidence(path) == _SURE


@pytest.mark.parametrize("text", ["", "{}", '{"confidence": {"flag": 1}}', "[]"])
def test_a_file_that_is_no_summary_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ScanError, match=r"a\.json can't be read"):
        read_confidence(path)


def test_bytes_do_not_depend_on_time_or_batches(tmp_path: Path) -> None:
    for name, batch_size in (("a", 1), ("b", 8)):
        method = _method(batch_size=batch_size)
        summary = _summary(_scan(), [3], method=method)
        write_summary(tmp_path / name, summary)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    summary = _summary(_scan(), [3])
    with pytest.raises(ScanError, match=r"a\.json can't be written"):
        write_summary(tmp_path / "out" / "a.json", summary)
