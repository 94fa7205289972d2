"""nnU-Net's predictor with a network of ours as a peer of `tiled.py`.

Its package asks for an older timm than segx does, so that it wants an environment of
its own. One that shares everything else with segx's::

    python -m venv NNUNET
    python -c 'import site; print(site.getsitepackages()[0])' \
        > NNUNET/lib/python3.11/site-packages/segx.pth
    NNUNET/bin/pip install nnunetv2 && NNUNET/bin/pip uninstall -y timm

Without the last step its timm hides ours; nnU-Net's predictor needs none.
"""

from pathlib import Path
from types import SimpleNamespace

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from tiled_peer import (
    Clock,
    Job,
    decide,
    job_parser,
    load_network,
    measure,
    read_image,
    write_mask,
)

__all__ = ["main"]


def main() -> None:
    """Measure nnU-Net's predictor: Gaussian weights, no mirroring."""
    measure(_NnUNet, Job.of(job_parser(__doc__).parse_args()))


class _NnUNet:
    def __init__(self, job: Job) -> None:
        self._network, self._spec, self._labels = load_network(job)
        self._job = job
        self._predictor = nnUNetPredictor(
            tile_step_size=1 - job.overlap,
            use_gaussian=True,
            use_mirroring=False,
            device=torch.device(job.device),
            allow_tqdm=False,
        )
        # What initialize_from_trained_model_folder would have read from a plan.
        self._predictor.network = self._network
        self._predictor.configuration_manager = SimpleNamespace(
            patch_size=(job.tile, job.tile)
        )
        self._predictor.label_manager = SimpleNamespace(
            num_segmentation_heads=self._labels.logits
        )

    @property
    def about(self) -> str:
        # On a GPU it switches autocast on, in float16.
        on_gpu = torch.device(self._job.device).type == "cuda"
        return f"torch {self._job.device} {'fp16' if on_gpu else 'fp32'}"

    @property
    def clock(self) -> Clock:
        return self._network.clock

    def predict(self, scan: Path, out: Path) -> Path:
        image = read_image(scan, self._spec)[:, None]  # (C, 1, H, W): one plane
        logits = self._predictor.predict_sliding_window_return_logits(image)
        return write_mask(out, decide(logits[:, 0], self._labels))


if __name__ == "__main__":
    main()
