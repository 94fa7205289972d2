"""What all peers of `tiled.py` share: the job, a clock in the network, the report."""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segx.artifact import load_model
from segx.evaluation.records import write_json
from segx.labels import Labels
from segx.models.network import Network
from segx.spec import ModelSpec

__all__ = [
    "Clock",
    "Job",
    "Peer",
    "TimedNetwork",
    "decide",
    "job_parser",
    "load_network",
    "measure",
    "read_image",
    "write_mask",
]


@dataclass(frozen=True)
class Job:
    """What a peer has to do.

    Args:
        run: The trained model.
        scan: A tiled TIFF.
        warm_up: A small one, predicted before the clock starts.
        out: Folder for the mask and the report.
        tile: Side of a tile, in pixels.
        overlap: Share of a tile's side that its neighbour covers too.
        device: Where the network runs.
    """

    run: Path
    scan: Path
    warm_up: Path
    out: Path
    tile: int
    overlap: float
    device: str

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Job":
        """The job that a command line describes; see `job_parser`."""
        return cls(**{name: getattr(arguments, name) for name in cls.__annotations__})


class Clock:
    """Seconds spent in a network, and the pixels that went through it."""

    def __init__(self, device: str) -> None:
        self.seconds = 0.0
        self.pixels = 0
        self._waits = torch.device(device).type == "cuda"

    @contextmanager
    def count(self, shape: Sequence[int]) -> Iterator[None]:
        """Time one pass of a batch of `shape` (n, channels, rows, cols)."""
        self._wait()
        started = time.perf_counter()
        yield
        self._wait()
        self.seconds += time.perf_counter() - started
        self.pixels += shape[0] * shape[2] * shape[3]

    def reset(self) -> None:
        """Forget what was counted."""
        self.seconds, self.pixels = 0.0, 0

    def _wait(self) -> None:
        """A GPU computes behind the program's back."""
        if self._waits:
            torch.cuda.synchronize()


class Peer(Protocol):
    """From a scan on disk to a mask on disk."""

    @property
    def about(self) -> str:
        """Engine, device and precision."""

    @property
    def clock(self) -> Clock:
        """The clock in its network."""

    def predict(self, scan: Path, out: Path) -> Path:
        """Write the mask of a scan into a folder; where it lies now."""


class TimedNetwork(nn.Module):
    """A network that puts out mask logits alone, and counts its time."""

    def __init__(self, network: Network, clock: Clock) -> None:
        super().__init__()
        self.network = network
        self.clock = clock

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes, rows, cols) of images (n, channels, rows, cols)."""
        with self.clock.count(images.shape):
            logits: Tensor | None = self.network(images).mask_logits
        if logits is None:
            raise SystemExit("The run has no mask head; give a segmentation.")
        return logits


def measure(build: Callable[[Job], Peer], job: Job) -> None:
    """Load, warm up, predict; write the times to ``report.json``."""
    started = time.perf_counter()
    peer = build(job)
    loaded = time.perf_counter()
    peer.predict(job.warm_up, job.out / "warm-up")
    peer.clock.reset()
    warm = time.perf_counter()
    mask = peer.predict(job.scan, job.out / "result")
    done = time.perf_counter()
    write_json(
        job.out / "report.json",
        {
            "about": peer.about,
            "load_s": loaded - started,
            "warm_up_s": warm - loaded,
            "wall_s": done - warm,
            "forward_s": peer.clock.seconds,
            "forward_pixels": peer.clock.pixels,
            "mask": str(mask),
        },
    )


def load_network(job: Job) -> tuple[TimedNetwork, ModelSpec, Labels]:
    """The run's network with a clock in it, and what it is."""
    model = load_model(job.run)
    labels = model.spec.labels
    if labels is None or labels.kind == "multilabel":
        raise SystemExit(f"{job.run}: the bench compares masks of one class a pixel.")
    network = model.logits_network.to(job.device)
    return TimedNetwork(network, Clock(job.device)), model.spec, labels


def read_image(scan: Path, spec: ModelSpec) -> Tensor:
    """A whole scan as the network reads it, shape (channels, rows, cols)."""
    pixels = spec.intensity(tifffile.imread(scan), source=scan)
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, 2, 0)))


def decide(logits: Tensor, labels: Labels) -> NDArray[np.uint8]:
    """Ids, shape (rows, cols), of logits (classes, rows, cols)."""
    ids = logits[0] >= 0 if labels.kind == "binary" else logits.argmax(0)
    mask: NDArray[np.uint8] = ids.to(torch.uint8).cpu().numpy()
    return mask


def write_mask(out: Path, mask: NDArray[np.uint8]) -> Path:
    """Write ids, shape (rows, cols), as a tiled TIFF in a folder."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "mask.tif"
    tifffile.imwrite(path, mask, tile=(256, 256), compression="zlib", metadata=None)
    return path


def job_parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all peers take."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="a run of segx fit")
    parser.add_argument("--scan", type=Path, required=True, help="a tiled TIFF")
    parser.add_argument("--warm-up", type=Path, required=True, help="a small one")
    parser.add_argument("--out", type=Path, required=True, help="folder for results")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--device", default="cpu")
    return parser
