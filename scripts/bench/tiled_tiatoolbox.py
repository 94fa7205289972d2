"""TIAToolbox's semantic segmentor with a network of ours as a peer of `tiled.py`.

Its package pins older releases of torch and Pillow than segx allows, so that it wants
an environment of its own. One that shares torch with segx's, for the comparison to be
of the engines alone::

    python -m venv TIATOOLBOX
    python -c 'import site; print(site.getsitepackages()[0])' \
        > TIATOOLBOX/lib/python3.11/site-packages/segx.pth
    TIATOOLBOX/bin/pip install --no-deps tiatoolbox

and, with ``--no-deps`` too, what its import then asks for.
"""

from pathlib import Path

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from tiatoolbox.models.engine.io_config import IOSegmentorConfig
from tiatoolbox.models.engine.semantic_segmentor import SemanticSegmentor
from tiatoolbox.models.models_abc import ModelABC
from tiled_peer import (
    Clock,
    Job,
    TimedNetwork,
    job_parser,
    load_network,
    measure,
    write_mask,
)
from torch import Tensor, nn

from segx.scans import Intensity

__all__ = ["main"]


def main() -> None:
    """Measure TIAToolbox's engine with its default batch and loader."""
    measure(_TiaToolbox, Job.of(job_parser(__doc__).parse_args()))


class _Model(ModelABC):  # type: ignore[misc]  # it has no types
    """The network as TIAToolbox wants one: arrays (n, rows, cols, channels)."""

    def __init__(self, network: TimedNetwork, intensity: Intensity) -> None:
        super().__init__()
        self.network = network
        self.preproc_func = intensity
        self.postproc_func = _decide

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    @staticmethod
    def infer_batch(
        model: nn.Module, batch_data: Tensor, *, device: str
    ) -> NDArray[np.float32]:
        images = batch_data.to(device=device, dtype=torch.float32).permute(0, 3, 1, 2)
        with torch.inference_mode():
            logits = model.eval()(images)
            single = logits.shape[1] == 1
            found = torch.sigmoid(logits) if single else torch.softmax(logits, 1)
        array: NDArray[np.float32] = found.permute(0, 2, 3, 1).cpu().numpy()
        return array


class _TiaToolbox:
    def __init__(self, job: Job) -> None:
        self._network, spec, _ = load_network(job)
        self._job = job
        self._segmentor = SemanticSegmentor(
            _Model(self._network, spec.intensity), device=job.device, verbose=False
        )
        side, stride = job.tile, round(job.tile * (1 - job.overlap))
        full = [{"units": "baseline", "resolution": 1.0}]
        self._plan = IOSegmentorConfig(
            input_resolutions=full,
            output_resolutions=full,
            patch_input_shape=(side, side),
            patch_output_shape=(side, side),
            stride_shape=(stride, stride),
        )

    @property
    def about(self) -> str:
        return f"torch {self._job.device} fp32"

    @property
    def clock(self) -> Clock:
        return self._network.clock

    def predict(self, scan: Path, out: Path) -> Path:
        found = self._segmentor.run(
            [scan],
            patch_mode=False,
            auto_get_mask=False,
            ioconfig=self._plan,
            save_dir=out,
            overwrite=True,
            output_type="zarr",
            device=self._job.device,
        )
        # Every peer's mask ends as the same kind of file; this takes a split second.
        mask = zarr.open_array(found[scan] / "predictions", mode="r")
        return write_mask(out, np.asarray(mask[:], np.uint8))


def _decide(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Ids, shape (rows, cols), of probabilities (rows, cols, classes)."""
    single = probabilities.shape[-1] == 1
    ids = probabilities[..., 0] >= 0.5 if single else probabilities.argmax(axis=-1)
    decided: NDArray[np.uint8] = ids.astype(np.uint8)
    return decided


if __name__ == "__main__":
    main()
