"""Masks and classes learnt at once: one pass of the encoder, two losses."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from segx.config import Choice, TrainingConfig
from segx.data.dataset import Batch
from segx.losses import TaskBalance
from segx.metrics.case_classes import CaseClasses
from segx.metrics.overlap import defined_mean
from segx.models.network import Prediction
from segx.spec import ModelSpec
from segx.training.classification import (
    class_labels_of,
    class_logits_of,
    log_classes,
)
from segx.training.loss_choice import MultitaskLosses, build_class_loss
from segx.training.task import SegmentationTask

__all__ = ["MultiTask"]


class MultiTask(SegmentationTask):
    """Learns masks and classes of whole images together.

    An image may lack its mask or its label: it then counts in the other loss only.
    `val/dice_auroc` is the mean of both tasks' scores.

    Args:
        spec: What the network is; a `ModelSpec` or its plain values.
        loss: The losses of both and their weights, as `MultitaskLosses` has them.
        training: The `training` section of the config.
        validation_planes: Number of planes of each validation case, 1 for images.
    """

    def __init__(
        self,
        spec: ModelSpec | dict[str, Any],
        *,
        loss: Choice | dict[str, Any],
        training: TrainingConfig | dict[str, Any],
        validation_planes: Sequence[int] = (1,),
    ) -> None:
        both = MultitaskLosses.of(Choice.model_validate(loss))
        super().__init__(
            spec,
            loss=both.masks,
            training=training,
            validation_planes=validation_planes,
        )
        self.hparams["loss"] = Choice.model_validate(loss).model_dump(mode="json")
        classes = class_labels_of(self.spec)
        self.class_loss = build_class_loss(both.classes, classes)
        self.balance = TaskBalance(
            mask_weight=both.mask_weight,
            class_weight=both.class_weight,
            learned=both.learned,
        )
        self.cases = CaseClasses(len(validation_planes), classes)

    @property
    def learnt(self) -> nn.Module:
        """What the optimizer changes: learned weights of the losses, too."""
        return nn.ModuleList([self.network, self.balance])

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch of images, of what is known of each."""
        prediction = self(batch.image)
        masks, classes = self.losses_of(prediction, batch)
        loss: Tensor = self.balance(masks, classes)
        values = {"train/loss": loss, "train/mask": masks, "train/class": classes}
        for name, value in values.items():
            if value is not None:
                shown = name == "train/loss"
                self.log(name, value, prog_bar=shown, batch_size=len(batch.image))
        return loss

    def losses_of(
        self, prediction: Prediction, batch: Batch
    ) -> tuple[Tensor | None, Tensor | None]:
        """The losses of the masks and of the classes, None where nothing is known."""
        masks = classes = None
        if batch.mask is not None and prediction.mask_logits is not None:
            known = batch.masked
            masks = self.loss(
                prediction.mask_logits[known],
                batch.mask,
                auxiliary=[item[known] for item in prediction.auxiliary_logits],
            )
        if batch.label is not None:
            logits = class_logits_of(prediction)[batch.labelled]
            classes = self.class_loss(logits, batch.label)
        return masks, classes

    def validation_step(self, batch: Batch, batch_idx: int) -> dict[str, Any] | None:
        """Count the mask as for segmentation, and keep what is said of the class."""
        if batch.label is not None and self.is_validated(batch_idx):
            logits = class_logits_of(self.best_network(self.as_input(batch.image)))
            self.cases.update(batch.case, logits, batch.label)
        return super().validation_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of both tasks, and their mean."""
        dice = float(self.counts.compute().dice)
        super().on_validation_epoch_end()
        auroc = log_classes(self, self.cases)["auroc"]
        self.log("val/dice_auroc", defined_mean([dice, auroc]), prog_bar=True)
