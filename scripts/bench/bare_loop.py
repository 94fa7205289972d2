"""The training step of a run of segx in a bare loop: what segx fit adds is the rest.

Network, loss, clipping, optimizer, average, precision and memory format are those of
the run; the batch is the same one each time and lies in memory. Written for
`training.py`.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from segx.artifact import build_network, read_spec
from segx.config import FitConfig
from segx.environment import choose_device, choose_precision
from segx.evaluation.records import write_json
from segx.labels import Labels
from segx.losses import DeepSupervision
from segx.training.loss_choice import build_loss
from segx.training.optim import average_of, build_optimizer
from segx.training.run import RunFolder

__all__ = ["main"]

_HALVES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


def main() -> None:
    """Make the steps asked for and write their times to steps.json."""
    arguments = _parser().parse_args()
    torch.manual_seed(0)
    config = RunFolder(arguments.run).read_config()
    seconds = _step_times(config, arguments.run, steps=arguments.steps)
    write_json(arguments.out / "steps.json", {"seconds": seconds})


def _step_times(config: FitConfig, run: Path, *, steps: int) -> list[float]:
    """Seconds of each step, the first left out."""
    spec = read_spec(run)
    if spec.labels is None or config.data.crop is None:
        raise SystemExit(f"{run} is no segmentation that learns from crops.")
    last = config.training.channels_last
    layout = torch.channels_last if last else torch.contiguous_format
    device = choose_device()
    network = build_network(spec).train().to(device).to(memory_format=layout)
    loss = DeepSupervision(build_loss(config.model.loss, spec.labels)).to(device)
    optimizer = build_optimizer(network, config.training.optimizer, fused=True)
    decay = config.training.ema_decay
    average = average_of(network, decay=decay) if decay else None
    size = (config.data.batch_size, spec.in_channels, *config.data.crop)
    images = torch.randn(size, device=device).contiguous(memory_format=layout)
    target = _target(size, spec.labels).to(device)
    precision = choose_precision(str(config.trainer.get("precision") or "auto"))
    half = _HALVES.get(precision.name)
    most = config.trainer.get("gradient_clip_val")
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        with torch.autocast(device, half, enabled=half is not None):
            found = network(images)
            value = loss(found.mask_logits, target, auxiliary=found.auxiliary_logits)
        optimizer.zero_grad()
        value.backward()
        if most:
            torch.nn.utils.clip_grad_norm_(network.parameters(), most)
        optimizer.step()
        if average is not None:
            average.update_parameters(network)
        float(value.detach())  # waits for a GPU, as segx's guard on NaN does
        seconds.append(time.perf_counter() - started)
    return seconds[1:]


def _target(size: tuple[int, ...], labels: Labels) -> Tensor:
    """Random truth for a batch of `size` (B, C, H, W)."""
    batch, _, rows, cols = size
    if labels.kind == "multilabel":
        return torch.randint(2, (batch, len(labels.names), rows, cols))
    return torch.randint(len(labels.names), (batch, rows, cols))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="a run of segx fit")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--steps", type=int, default=20)
    return parser


if __name__ == "__main__":
    main()
