"""Classification as a Lightning module, on the same encoder as segmentation."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from segx.config import Choice, TrainingConfig
from segx.data.dataset import Batch
from segx.errors import ConfigError, TrainingError
from segx.metrics.classification import classification_scores
from segx.models.network import Prediction
from segx.spec import ModelSpec
from segx.training.learner import Learner
from segx.training.loss_choice import build_class_loss

__all__ = ["ClassificationTask"]


class ClassificationTask(Learner):
    """Learns one class an image; `val/auroc` and the rest are over all cases.

    Args:
        spec: What the network is; a `ModelSpec` or its plain values.
        loss: The loss, by name and options.
        training: The `training` section of the config.
    """

    def __init__(
        self,
        spec: ModelSpec | dict[str, Any],
        *,
        loss: Choice | dict[str, Any],
        training: TrainingConfig | dict[str, Any],
    ) -> None:
        super().__init__(spec, loss=loss, training=training)
        if self.spec.class_names is None:
            raise ConfigError(
                "A classification needs class names; this model spec has none."
            )
        self.class_names = self.spec.class_names
        self.loss = build_class_loss(self.loss_choice, len(self.class_names))
        self._probabilities: list[Tensor] = []
        self._truths: list[Tensor] = []

    def forward(self, image: Tensor) -> Prediction:
        """Logits for a batch of normalised images (B, C, H, W)."""
        prediction: Prediction = self.network(self.as_input(image))
        return prediction

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch of images."""
        loss: Tensor = self.loss(_class_logits(self(batch.image)), batch.label)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.image))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the probabilities of each case; the scores need all of them."""
        if batch.label is None:
            return
        logits = _class_logits(self.best_network(self.as_input(batch.image)))
        self._probabilities.append(logits.float().softmax(dim=1).cpu())
        self._truths.append(batch.label.cpu())

    def on_validation_epoch_end(self) -> None:
        """Log the scores over all validation cases."""
        if not self._truths:
            return
        probabilities = torch.cat(self._probabilities).numpy().astype(np.float64)
        truths = torch.cat(self._truths).numpy()
        self._probabilities.clear()
        self._truths.clear()
        scores = classification_scores(truths, probabilities)
        for name, value in scores._asdict().items():
            shown = name in ("auroc", "balanced_accuracy")
            self.log(f"val/{name}", float(value), prog_bar=shown)


def _class_logits(prediction: Prediction) -> Tensor:
    if prediction.class_logits is None:
        raise TrainingError("The network has no classification head to learn with.")
    return prediction.class_logits
