"""MONAI's sliding_window_inference as a peer of `tiled.py`.

``defaults`` is what people run: float32, default layout, batches of 4 windows and
constant weights. ``tuned`` is what can be had by hand: channels_last, autocast to
bfloat16, Gaussian weights. ``reference`` is what the masks are held against: float32,
Gaussian weights, and probabilities that are blended instead of logits, as segx does.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from monai.inferers.utils import sliding_window_inference
from tiled_peer import (
    Clock,
    Job,
    TimedNetwork,
    decide,
    job_parser,
    load_network,
    measure,
    read_image,
    write_mask,
)
from torch import Tensor

from segx.labels import Labels
from segx.spec import ModelSpec

__all__ = ["Variant", "main"]

BATCH = 4
"""Windows in one run of the network, as MONAI's tutorials have it."""


@dataclass(frozen=True)
class Variant:
    """How MONAI is called.

    Args:
        blend: Its name for the weights of a window's pixels.
        bf16: Whether the network runs under bfloat16 autocast.
        channels_last: Whether images and weights are laid out so.
        probabilities: Whether these are blended, not logits.
    """

    blend: str
    bf16: bool
    channels_last: bool
    probabilities: bool = False


VARIANTS = {
    "defaults": Variant("constant", bf16=False, channels_last=False),
    "tuned": Variant("gaussian", bf16=True, channels_last=True),
    "reference": Variant(
        "gaussian", bf16=False, channels_last=True, probabilities=True
    ),
}


def main() -> None:
    """Measure one variant."""
    parser = job_parser(__doc__)
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    arguments = parser.parse_args()
    variant = VARIANTS[arguments.variant]
    measure(lambda job: _Monai(job, variant, *load_network(job)), Job.of(arguments))


class _Monai:
    def __init__(
        self,
        job: Job,
        variant: Variant,
        network: TimedNetwork,
        spec: ModelSpec,
        labels: Labels,
    ) -> None:
        last = variant.channels_last
        self._layout = torch.channels_last if last else torch.contiguous_format
        self._network = network.to(memory_format=self._layout)
        self._job, self._variant, self._spec, self._labels = job, variant, spec, labels

    @property
    def about(self) -> str:
        return f"torch {self._job.device} {'bf16' if self._variant.bf16 else 'fp32'}"

    @property
    def clock(self) -> Clock:
        return self._network.clock

    def predict(self, scan: Path, out: Path) -> Path:
        job, variant = self._job, self._variant
        kind = torch.device(job.device).type
        image = read_image(scan, self._spec)[None].to(job.device)
        image = image.contiguous(memory_format=self._layout)
        with (
            torch.inference_mode(),
            torch.autocast(kind, torch.bfloat16, enabled=variant.bf16),
        ):
            blended = sliding_window_inference(
                image,
                (job.tile, job.tile),
                BATCH,
                self._probabilities if variant.probabilities else self._network,
                overlap=job.overlap,
                mode=variant.blend,
            )
        scores = blended[0]
        if variant.probabilities and self._labels.kind == "binary":
            scores = scores - 0.5  # 0 is the threshold, as it is of logits
        return write_mask(out, decide(scores, self._labels))

    def _probabilities(self, tiles: Tensor) -> Tensor:
        logits: Tensor = self._network(tiles)
        is_binary = self._labels.kind == "binary"
        return logits.sigmoid() if is_binary else logits.softmax(dim=1)


if __name__ == "__main__":
    main()
