"""What disks, files and folders do to a prediction: it is said, and nothing is lost."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segx.config import InferenceConfig
from segx.errors import ScanError
from segx.inference.outputs import Wanted
from segx.inference.predictor import Predictor
from segx.inference.writer import predict_files
from segx.scans.intensity import Intensity
from tests.inference.stubs import THREE, Brightness, model, predictor_with

_ALL = Wanted(polygons=True, probabilities=True, uncertainty=True)
_FEW = Wanted(polygons=True)


def _predictor(*, overlap: float = 0.25) -> Predictor:
    inference = InferenceConfig(tile=32, overlap=overlap)
    return predictor_with(model(THREE, inference=inference), Brightness())


def _scan(path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (150, 90, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def _outputs(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.iterdir() if path.is_file())
    return {path.name: path.read_bytes() for path in files}


def _predict_on_a_full_disk(
    scan: Path, out: Path, *, wanted: Wanted, limit: int
) -> str:
    """Predict in a child whose files can't grow beyond the limit; what it said."""
    import resource
    import signal

    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            (outcome,) = predict_files(_predictor(), [scan], out, wanted=wanted)
            error = outcome.error
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("wanted", "limit"),
    [(_ALL, 1_000), (_ALL, 60_000), (_FEW, 14_000), (_FEW, 30_000)],
    ids=["first rows", "maps", "mask or polygons", "overlay"],
)
def test_a_full_disk_is_said_and_nothing_is_lost(
    tmp_path: Path, wanted: Wanted, limit: int
) -> None:
    scan, out = _scan(tmp_path / "a.png"), tmp_path / "out"
    predict_files(_predictor(), [scan], tmp_path / "whole", wanted=wanted)
    new = _outputs(tmp_path / "whole")
    predict_files(_predictor(overlap=0.5), [scan], out, wanted=wanted)
    old = _outputs(out)
    said = _predict_on_a_full_disk(scan, out, wanted=wanted, limit=limit)
    assert said.startswith("ScanError: ")
    assert "can't be written: File too large" in said
    left = _outputs(out)
    assert left.keys() == old.keys(), "no temporary file, and none is missing"
    assert all(left[name] in (old[name], new[name]) for name in left)
    predict_files(_predictor(), [scan], out, wanted=wanted)
    assert _outputs(out) == new


def test_a_file_where_the_folder_should_be_is_said_before_a_model_is_loaded(
    tmp_path: Path,
) -> None:
    _scan(tmp_path / "a.png")
    (tmp_path / "out").write_text("")
    words = ["predict", "no/model", "a.png", "-o", "out"]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "segx", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "segx predict: out can't be written" in done.stderr
    assert " torch\n" not in done.stderr


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_scan_with_a_value_that_is_no_number_is_named_and_others_go_on(
    tmp_path: Path, value: float
) -> None:
    image = np.random.default_rng(0).random((40, 50, 3), np.float32)
    tifffile.imwrite(tmp_path / "whole.tif", image, photometric="rgb")
    image[7, 8, 1] = value
    tifffile.imwrite(tmp_path / "broken.tif", image, photometric="rgb")
    zeros, ones = (0.0,) * 3, (1.0,) * 3
    scale = Intensity(low=zeros, high=ones, mean=zeros, std=ones, source="a test")
    inference = InferenceConfig(tile=32, overlap=0.25)
    predictor = predictor_with(
        model(THREE, intensity=scale, inference=inference), Brightness()
    )
    paths = [tmp_path / name for name in ("broken.tif", "whole.tif")]
    broken, whole = predict_files(predictor, paths, tmp_path / "out")
    assert isinstance(broken.error, ScanError)
    assert "broken.tif holds 1 values that are NaN" in str(broken.error)
    assert whole.error is None
    assert not (tmp_path / "out" / "broken.tif").exists()
