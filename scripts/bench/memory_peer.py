"""Predict a scan with a stub for a network, and report the peak of resident memory.

Written for `memory.py`. Linux keeps both figures: VmRSS is what is resident now, VmHWM
the most since it was last reset.
"""

import argparse
import re
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.config import EncoderConfig, HeadConfig, InferenceConfig
from segx.evaluation.records import write_json
from segx.inference.members import Member, Members
from segx.inference.predictor import Predictor
from segx.inference.writer import predict_file
from segx.labels import Labels
from segx.scans import Intensity
from segx.spec import ModelSpec

__all__ = ["Threshold", "main"]

_PROCESS = Path("/proc/self")


class Threshold:
    """A runtime whose logits say how dark a pixel is."""

    about = "stub cpu fp32"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (n, 1, rows, cols) of tiles (n, channels, rows, cols)."""
        return -tiles[:, :1] * np.float32(4)


def main() -> None:
    """Predict and write report.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scan", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    arguments = parser.parse_args()
    predictor = _predictor()
    model_mb = _memory_mb("VmRSS")
    (_PROCESS / "clear_refs").write_text("5", encoding="ascii")  # resets VmHWM
    started = time.perf_counter()
    written = predict_file(predictor, arguments.scan, arguments.out)
    seconds = time.perf_counter() - started
    write_json(
        arguments.out / "report.json",
        {
            "model_mb": model_mb,
            "peak_mb": _memory_mb("VmHWM") - model_mb,
            "seconds": seconds,
            "mask": written.masks[0].name,
        },
    )


def _predictor() -> Predictor:
    spec = ModelSpec(
        task="segmentation",
        encoder=EncoderConfig(),
        decoder=None,
        head=HeadConfig(),
        in_channels=3,
        labels=Labels("binary", ("glass", "tissue")),
        class_names=None,
        intensity=Intensity.for_dtype(np.uint8, 3, mean=0.5, std=0.5),
        resize=None,
        inference=InferenceConfig(),
    )
    return Predictor(Members([Member(spec, Threshold(), Path("<stub>"))]))


def _memory_mb(name: str) -> float:
    """A figure of this process, in 1e6 bytes."""
    status = (_PROCESS / "status").read_text(encoding="ascii")
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    if found is None:
        raise SystemExit(f"{_PROCESS}/status has no {name}: this bench needs Linux.")
    return int(found[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
