"""Classification as a Lightning module, on the same encoder as segmentation."""

from typing import Any

from torch import Tensor

from segx.config import Choice, TrainingConfig
from segx.data.dataset import Batch
from segx.errors import ConfigError, TrainingError
from segx.labels import Labels
from segx.metrics.case_classes import CaseClasses
from segx.models.network import Prediction
from segx.spec import ModelSpec
from segx.training.learner import Learner
from segx.training.loss_choice import build_class_loss

__all__ = ["ClassificationTask", "class_labels_of", "class_logits_of", "log_classes"]


class ClassificationTask(Learner):
    """Learns the class of an image, or its classes; the scores are over all cases.

    Args:
        spec: What the network is; a `ModelSpec` or its plain values.
        loss: The loss, by name and options.
        training: The `training` section of the config.
        validation_cases: Number of validation cases.
    """

    def __init__(
        self,
        spec: ModelSpec | dict[str, Any],
        *,
        loss: Choice | dict[str, Any],
        training: TrainingConfig | dict[str, Any],
        validation_cases: int = 1,
    ) -> None:
        super().__init__(spec, loss=loss, training=training)
        self.hparams["validation_cases"] = validation_cases
        self.labels = class_labels_of(self.spec)
        self.loss = build_class_loss(self.loss_choice, self.labels)
        self.cases = CaseClasses(validation_cases, self.labels)

    def forward(self, image: Tensor) -> Prediction:
        """Logits for a batch of normalised images (B, C, H, W)."""
        prediction: Prediction = self.network(self.as_input(image))
        return prediction

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch of images."""
        loss: Tensor = self.loss(class_logits_of(self(batch.image)), batch.label)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(batch.image))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep what is said of each case; the scores need all of them."""
        if batch.label is None or not self.is_validated(batch_idx):
            return
        logits = class_logits_of(self.best_network(self.as_input(batch.image)))
        self.cases.update(batch.case, logits, batch.label)

    def on_validation_epoch_end(self) -> None:
        """Log the scores over all validation cases."""
        log_classes(self, self.cases)


def log_classes(learner: Learner, cases: CaseClasses) -> dict[str, float]:
    """Log the scores over all validation cases, forget the cases, return the scores."""
    if learner.trainer.world_size == 1 and not cases.update_called:
        scores = cases.unknown()  # of several processes, one waits with the others
    else:
        scores = cases.compute()
        cases.reset()
    for name, value in scores.items():
        shown = name in ("auroc", "balanced_accuracy")
        learner.log(f"val/{name}", float(value), prog_bar=shown)
    return scores


def class_labels_of(spec: ModelSpec) -> Labels:
    """What the classes are.

    Raises:
        ConfigError: If the model tells none.
    """
    if spec.class_labels is None:
        raise ConfigError("A classification needs class names; this model has none.")
    return spec.class_labels


def class_logits_of(prediction: Prediction) -> Tensor:
    """The logits of the classes.

    Raises:
        TrainingError: If the network has no head for them.
    """
    if prediction.class_logits is None:
        raise TrainingError("The network has no classification head to learn with.")
    return prediction.class_logits
