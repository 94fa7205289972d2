"""The machine's matmul peak in fp32 and bf16, and what a run's network asks of it.

Written for `tiled.py`: forward FLOPs ÷ time ÷ peak is the share of the peak that is
reached.
"""

import argparse
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from segx.artifact import load_model
from segx.evaluation.records import Json, write_json

__all__ = ["main"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def main() -> None:
    """Measure and write peak.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="a run of segx fit")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    names = DTYPES if device.type == "cuda" else ("fp32", "bf16")
    content: dict[str, Json] = {
        "flops_per_pixel": _flops_per_pixel(arguments.run, arguments.tile),
        "peak": {name: _matmul_peak(DTYPES[name], device) for name in names},
    }
    write_json(arguments.out / "peak.json", content)


def _flops_per_pixel(run: Path, tile: int) -> float:
    """Floating-point operations of a forward pass, two a multiplication with addition.

    Those of convolutions and products of matrices; the rest is not counted.
    """
    model = load_model(run)
    images = torch.zeros(1, model.spec.in_channels, tile, tile)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.network(images)
    flops: int = counter.get_total_flops()
    return flops / tile**2


def _matmul_peak(dtype: torch.dtype, device: torch.device) -> float:
    """FLOP/s of the fastest of many products of two square matrices."""
    on_gpu = device.type == "cuda"
    side, repeats = (8192, 50) if on_gpu else (2048, 20)
    left, right = torch.randn(2, side, side, device=device).to(dtype)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        torch.mm(left, right)
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / min(seconds)


if __name__ == "__main__":
    main()
