"""What the journal knows of one scan is no other scan's, nor another process's."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segx.boxes import Detections
from segx.inference.box_writer import detect_files
from segx.inference.journal import Journal
from segx.inference.outputs import Outcome
from segx.inference.writer import predict_files
from tests.inference.stubs import (
    THREE,
    Blobs,
    Brightness,
    box_predictor,
    model,
    predictor_with,
)

_Wait = Callable[[], None]
_Predict = Callable[[list[Path], Path, _Wait], list[Outcome]]


def _predict_masks(scans: list[Path], out: Path, wait: _Wait) -> list[Outcome]:
    class Waiting(Brightness):
        def run(self, tiles: np.ndarray) -> np.ndarray:
            wait()
            return super().run(tiles)

    return predict_files(predictor_with(model(THREE), Waiting()), scans, out)


def _predict_boxes(scans: list[Path], out: Path, wait: _Wait) -> list[Outcome]:
    class Waiting(Blobs):
        def find(self, tiles: np.ndarray) -> list[Detections]:
            wait()
            return super().find(tiles)

    return detect_files(box_predictor(Waiting()), scans, out)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("predict", [_predict_masks, _predict_boxes])
def test_a_scan_that_another_process_predicts_fails_and_others_go_on(
    tmp_path: Path, predict: _Predict
) -> None:
    scans, out = [tmp_path / f"{name}.png" for name in "ab"], tmp_path / "out"
    for seed, scan in enumerate(scans):
        pixels = np.random.default_rng(seed).integers(0, 256, (60, 40, 3), np.uint8)
        Image.fromarray(pixels).save(scan)
    begun, going_on = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:

        def wait() -> None:
            os.write(begun[1], b".")
            os.read(going_on[0], 1)

        try:
            os.close(going_on[1])
            (outcome,) = predict(scans[:1], out, wait)
            os._exit(0 if outcome.error is None else 1)
        finally:
            os._exit(2)
    os.read(begun[0], 1)
    busy, done = predict(scans, out, lambda: None)
    os.close(going_on[1])
    _, status = os.waitpid(child, 0)
    assert f"Another process is predicting {scans[0]}" in str(busy.error)
    assert done.error is None
    assert os.waitstatus_to_exitcode(status) == 0
    outcomes: Any = predict(scans, out, lambda: None)
    assert [outcome.written.is_new for outcome in outcomes] == [False, False]
    assert not list(out.glob(".segx/*.lock"))


@pytest.mark.parametrize("other", ["CT.thin", "CT.1", "CT.nii.gz", "C", "CT[1]"])
def test_a_finished_scan_leaves_the_spools_of_others(
    tmp_path: Path, other: str
) -> None:
    scans = [tmp_path / name for name in ("CT", other)]
    journal, spools = Journal(tmp_path, settings={}), []
    for scan in scans:
        scan.write_text(scan.name)
        spools.append(journal.spool(scan, journal.key(scan), "mask"))
    spools[0].parent.mkdir()
    for spool in spools:
        spool.touch()
    for scan in scans:
        own = spools.pop(0)
        journal.tidy(scan)
        assert not own.exists()
        assert all(spool.exists() for spool in spools)
