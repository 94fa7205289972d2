"""A prediction that is killed at any moment ends, run again, with the same bytes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segx.boxes import Detections
from segx.config import CleaningConfig, InferenceConfig
from segx.inference.box_writer import detect_files
from segx.inference.outputs import Wanted
from segx.inference.predictor import Predictor
from segx.inference.writer import predict_files
from tests.inference.stubs import (
    THREE,
    Blobs,
    Brightness,
    box_predictor,
    drawn,
    model,
    predictor_with,
)

_WANTED = Wanted(overlay=True, polygons=True, probabilities=True, uncertainty=True)

_Predict = Callable[[list[Path], Path], None]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def _predictor() -> Predictor:
    cleaning = CleaningConfig(min_size_px=3)
    inference = InferenceConfig(tile=32, overlap=0.25, cleaning=cleaning)
    return predictor_with(model(THREE, inference=inference), Brightness())


def _predict_masks(scans: list[Path], out: Path) -> None:
    predict_files(_predictor(), scans, out, wanted=_WANTED)


def _predict_boxes(scans: list[Path], out: Path) -> None:
    detect_files(box_predictor(Blobs()), scans, out, wanted=Wanted(polygons=True))


def _scans(folder: Path) -> list[Path]:
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (60, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"scan{number}.png")
    return sorted(folder.iterdir())


def _scans_of_boxes(folder: Path) -> list[Path]:
    folder.mkdir()
    for number in range(2):
        boxes = [[5, 3 + number, 20, 28], [22, 30, 39, 50]]
        pixels = drawn(Detections.of(boxes, [1, 2], [0.6, 0.8]), 60, 40)
        Image.fromarray(pixels).save(folder / f"scan{number}.png")
    return sorted(folder.iterdir())


def _outputs(folder: Path) -> dict[str, bytes]:
    """Every file but those of the journal, which holds times."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.name: path.read_bytes() for path in files if path.parent.name != ".segx"
    }


def _predict_and_die(predict: _Predict, scans: list[Path], out: Path, at: int) -> bool:
    """Predict in a child that dies before its `at`-th fsync, rename or truncation.

    Returns:
        Whether it lived to the end.
    """
    child = os.fork()
    if child == 0:
        left = at

        def dying(call: Any) -> Any:
            def counted(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    os._exit(9)  # nothing is cleaned up, as after kill -9
                return call(*arguments, **options)

            return counted

        for name in ("fsync", "replace", "open", "close"):
            setattr(os, name, dying(getattr(os, name)))
        predict(scans, out)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("predict", "make_scans", "files", "steps"),
    [(_predict_masks, _scans, 6, 50), (_predict_boxes, _scans_of_boxes, 4, 30)],
    ids=["masks", "boxes"],
)
def test_between_any_two_steps_a_kill_changes_nothing(
    tmp_path: Path,
    predict: _Predict,
    make_scans: Callable[[Path], list[Path]],
    files: int,
    steps: int,
) -> None:
    scans = make_scans(tmp_path / "scans")
    predict(scans, tmp_path / "whole")
    expected = _outputs(tmp_path / "whole")
    assert len(expected) == 2 * files
    at, lived = 0, False
    while not lived:
        at += 1
        out = tmp_path / f"out{at}"
        lived = _predict_and_die(predict, scans, out, at)
        if not lived:
            predict(scans, out)
        assert _outputs(out) == expected, f"killed at step {at}"
        assert not list(out.glob(".segx/*.spool"))
    assert at > steps  # every fsync, rename, and temporary file was met
