"""Segmentation as a Lightning module: crops to learn from, whole cases to judge by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segx.config import Choice, TrainingConfig
from segx.data.dataset import Batch
from segx.errors import ConfigError
from segx.geometry import Extent
from segx.inference.members import Member, Members
from segx.inference.plan import TilePlan
from segx.inference.runtimes.eager import TorchRuntime
from segx.inference.tiled import predict_image, resize_probabilities
from segx.labels import Labels
from segx.losses import DeepSupervision
from segx.masks.decide import decide
from segx.metrics.case_counts import CaseCounts
from segx.metrics.overlap import count_overlap
from segx.models.network import Network, Prediction
from segx.spec import ModelSpec
from segx.training.learner import Learner
from segx.training.loss_choice import build_loss

__all__ = ["SegmentationTask"]


class SegmentationTask(Learner):
    """Learns masks from crops; `val/dice` and `val/iou` are of whole, stitched cases.

    Args:
        spec: What the network is; a `ModelSpec` or its plain values.
        loss: The loss, by name and options.
        training: The `training` section of the config.
        validation_planes: Number of planes of each validation case.
    """

    def __init__(
        self,
        spec: ModelSpec | dict[str, Any],
        *,
        loss: Choice | dict[str, Any],
        training: TrainingConfig | dict[str, Any],
        validation_planes: Sequence[int] = (1,),
    ) -> None:
        super().__init__(spec, loss=loss, training=training)
        self.hparams["validation_planes"] = list(validation_planes)
        self.labels = _labels_of(self.spec)
        self.loss = DeepSupervision(build_loss(self.loss_choice, self.labels))
        cases = len(validation_planes)
        self.counts = CaseCounts(cases, self.labels, planes=validation_planes)
        self.plan = TilePlan.from_config(self.spec.inference)
        self.validation_limit = sum(validation_planes)

    def forward(self, image: Tensor) -> Prediction:
        """Logits for a batch of normalised images (B, C, H, W)."""
        prediction: Prediction = self.network(self.as_input(image))
        return prediction

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch of crops."""
        prediction = self(batch.image)
        loss: Tensor = self.loss(
            prediction.mask_logits, batch.mask, auxiliary=prediction.auxiliary_logits
        )
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.image))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any] | None:
        """Count one plane of a case, predicted in tiles as `segx predict` does.

        Returns:
            The plane's truth and prediction, as ids (rows, cols[, classes]), for those
            who draw them.
        """
        if batch.mask is None or not self.is_validated(batch_idx):
            return None
        truth = _truth_of(batch.mask)
        mask = self.predict_mask(batch.image, Extent(*truth.shape[:2]))
        counts = count_overlap(truth, mask, self.labels)
        self.counts.update(int(batch.case[0]), counts, plane=int(batch.plane[0]))
        return {"truth": truth, "predicted": mask}

    def on_validation_epoch_end(self) -> None:
        """Log the means over cases, for each class and for the foreground."""
        means = self.counts.compute()
        self.counts.reset()
        self.log("val/dice", means.dice, prog_bar=True)
        self.log("val/iou", means.iou)
        for name, dice in means.class_dice.items():
            self.log(f"val/dice/{name}", dice)
        for name, iou in means.class_iou.items():
            self.log(f"val/iou/{name}", iou)

    def predict_mask(self, image: Tensor, extent: Extent) -> NDArray[np.uint8]:
        """Predict one normalised image (1, C, rows, cols) at its native `extent`."""
        runtime = TorchRuntime(
            cast(Network, self.best_network),
            device=self.device,
            channels_last=self.settings.channels_last,
        )
        members = Members([Member(self.spec, runtime, Path("training"))])
        probabilities = predict_image(
            members.probabilities,
            image[0].float().cpu().numpy(),
            labels=self.labels,
            plan=self.plan,
        )
        return decide(resize_probabilities(probabilities, extent), self.labels)


def _truth_of(mask: Tensor) -> NDArray[np.uint8]:
    """The mask of a batch of one as evaluation takes it: (rows, cols[, classes])."""
    whole = mask[0].to(torch.uint8).cpu().numpy()
    return whole if whole.ndim == 2 else np.moveaxis(whole, 0, 2)


def _labels_of(spec: ModelSpec) -> Labels:
    if spec.labels is None:
        raise ConfigError(
            "A segmentation needs labels; this model spec is a classifier's."
        )
    return spec.labels
