import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from segx.errors import ScanError
from segx.geometry import Region
from segx.labels import Labels
from segx.scans.files import create_mask
from segx.scans.memory import ArrayScan

_LABELS = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
_LAYERS = Labels("multilabel", ("a", "b"))
_SCAN = ArrayScan(np.zeros((10, 7), np.uint8))
_HALF = np.ones((5, 7), np.uint8)

targets = pytest.mark.parametrize(
    "name",
    [
        "mask.png",
        "mask.tif",
        pytest.param(
            "mask.nii.gz",
            marks=pytest.mark.skipif(
                not find_spec("SimpleITK"), reason="volumes need segx[volumes]"
            ),
        ),
    ],
)


@targets
@pytest.mark.parametrize("labels", [_LABELS, _LAYERS])
def test_an_error_in_the_middle_leaves_nothing(
    tmp_path: Path, name: str, labels: Labels
) -> None:
    planes = (2,) if labels is _LAYERS else ()
    half = np.ones((5, 7, *planes), np.uint8)
    with pytest.raises(ZeroDivisionError):
        _break_off(tmp_path / name, half, labels=labels, error=ZeroDivisionError)
    assert not list(tmp_path.iterdir())


@targets
def test_an_error_in_the_middle_leaves_an_older_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt):
        _break_off(path, _HALF, labels=_LABELS, error=KeyboardInterrupt)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"older"


@targets
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_disk_that_fails_between_write_and_rename_leaves_an_older_file(
    tmp_path: Path, name: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / name
    path.write_bytes(b"older")
    sink = create_mask(path, like=_SCAN, labels=_LABELS)
    sink.write(Region(0, 0, 5, 7), _HALF)
    sink.write(Region(5, 0, 5, 7), _HALF)
    if call == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ScanError, match=f"{name} can't be written: No space left"):
        sink.close()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"older"


@targets
def test_missing_rows_are_not_committed(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(ScanError, match="5 of 10 rows were written"),
        create_mask(tmp_path / name, like=_SCAN, labels=_LABELS) as sink,
    ):
        sink.write(Region(0, 0, 5, 7), _HALF)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "region",
    [Region(1, 0, 5, 7), Region(0, 1, 5, 6), Region(0, 0, 5, 6), Region(0, 0, 11, 7)],
)
def test_bands_out_of_order_are_refused(tmp_path: Path, region: Region) -> None:
    sink = create_mask(tmp_path / "a.png", like=_SCAN, labels=_LABELS)
    with pytest.raises(ScanError, match="the next band begins at row 0 of 10"):
        sink.write(region, np.zeros((region.rows, region.cols), np.uint8))
    sink.abort()


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((5, 6), np.uint8),
        np.zeros((5, 7, 3), np.uint8),
        np.zeros((5, 7), np.int64),
        np.full((5, 7), 3, np.uint8),
    ],
)
def test_masks_that_do_not_fit_the_labels_are_refused(
    tmp_path: Path, mask: np.ndarray
) -> None:
    sink = create_mask(tmp_path / "a.png", like=_SCAN, labels=_LABELS)
    with pytest.raises(ScanError, match=r"need uint8 \(5, 7\) up to 2"):
        sink.write(Region(0, 0, 5, 7), mask)
    sink.abort()
    assert not list(tmp_path.iterdir())


@targets
def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ScanError, match=rf"out.{name} can't be written"):
        create_mask(tmp_path / "out" / name, like=_SCAN, labels=_LABELS)


def _break_off(
    path: Path, half: np.ndarray, *, labels: Labels, error: type[BaseException]
) -> None:
    with create_mask(path, like=_SCAN, labels=labels) as sink:
        sink.write(Region(0, 0, 5, 7), half)
        assert len(list(path.parent.iterdir())) > path.exists()
        raise error


def test_a_band_that_lacks_all_its_rows_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ScanError, match=r"uint8 \(0, 7\) .* was given"),
        create_mask(tmp_path / "a.png", like=_SCAN, labels=_LABELS) as sink,
    ):
        sink.write(Region(0, 0, 5, 7), _HALF[:0])
