"""A scan is predicted in memory that its height does not change."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from segx.artifact import Model, save_model

COLS = 1024
LOW, HIGH = 4096, 16_384  # rows

_PEAK = """
import resource, sys
from segx.cli.main import main
code = main(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def peak_bytes(model: Path, scan: Path, out: Path) -> int:
    """The most memory that a process holds which predicts a scan."""
    words = ["predict", str(model), str(scan), "-o", str(out), "-q", "--no-overlay"]
    command = [sys.executable, "-c", _PEAK, *words, "--tile", "512"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout.rpartition("peak ")[2]) * unit


@pytest.mark.slow
def test_a_scan_four_times_as_high_takes_hardly_more_memory(
    model: Model, tmp_path: Path
) -> None:
    folder = save_model(model, tmp_path / "model")
    pixels = np.random.default_rng(0).integers(0, 256, (HIGH, COLS, 3), np.uint8)
    peaks = []
    for rows in (512, LOW, HIGH):  # the first settles the engine, which takes some
        scan = tmp_path / f"{rows}.tif"
        tifffile.imwrite(scan, pixels[:rows], rowsperstrip=64)
        peaks.append(peak_bytes(folder, scan, tmp_path / "out"))
    further = (HIGH - LOW) * COLS * 3
    assert peaks[2] - peaks[1] < further / 2
