"""Detection as a Lightning module, on the same encoder as segmentation."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

from segx.boxes import Detections
from segx.config import Choice, TrainingConfig
from segx.data.dataset import Batch, Objects
from segx.errors import ConfigError, TrainingError
from segx.evaluation.detection import box_scores
from segx.inference.detect import detect_image
from segx.inference.plan import TilePlan
from segx.inference.runtimes.eager import TorchRuntime
from segx.models.detection import DetectionNetwork
from segx.spec import ModelSpec
from segx.training.learner import Learner
from segx.training.loss_choice import DetectorLosses
from segx.training.processes import gathered

__all__ = ["DetectionTask"]


class DetectionTask(Learner):
    """Learns boxes from crops; `val/map50` and `val/map` are of whole cases.

    Args:
        spec: What the network is; a `ModelSpec` or its plain values.
        loss: How the detector's losses are added up, as `DetectorLosses` has it.
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
        if self.spec.labels is None:
            raise ConfigError("A detector needs class names; this model has none.")
        self.loss = DetectorLosses.of(self.loss_choice)
        self.plan = TilePlan.from_config(self.spec.inference)
        self.validation_limit = validation_cases
        self._classes = self.spec.labels.foreground
        self._cases: dict[int, tuple[Detections, Detections]] = {}

    def forward(self, image: Tensor) -> list[dict[str, Tensor]]:
        """The objects in a batch of normalised images (B, C, H, W)."""
        found: list[dict[str, Tensor]] = self.best_network(self.as_input(image))
        return found

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch of crops."""
        network = cast(DetectionNetwork, self.network)
        losses = network.losses(self.as_input(batch.image), _objects_of(batch))
        loss = self.loss.sum(losses)
        size = len(batch.image)
        self.log("train/loss", loss, prog_bar=True, batch_size=size)
        for name, value in losses.items():
            self.log(f"train/{name}", value, batch_size=size)
        return loss

    def validation_step(
        self, batch: Batch, batch_idx: int
    ) -> dict[str, Detections] | None:
        """Keep what is found in one whole case, and what is true there.

        Returns:
            Both, of what was found what is sure enough, for those who draw them.
        """
        if not self.is_validated(batch_idx):
            return None
        (objects,) = _objects_of(batch)
        truth = Detections.of(
            objects.boxes.cpu().numpy(), objects.classes.cpu().numpy()
        )
        found = self.find(batch.image)
        self._cases[int(batch.case[0])] = (found, truth)
        is_sure = found.scores >= self.spec.inference.score_threshold
        return {"truth": truth, "predicted": found.taken(is_sure)}

    def on_validation_epoch_end(self) -> None:
        """Log the scores of all cases, for each class and on the whole."""
        cases, self._cases = gathered(self._cases), {}
        in_order = [cases[number] for number in sorted(cases)]
        scores = box_scores(in_order, self._classes)
        self.log("val/map50", scores.map50, prog_bar=True)
        self.log("val/map", scores.map, prog_bar=True)
        self.log("val/map75", scores.map75)
        for name, value in scores.classes.items():
            self.log(f"val/map/{name}", value)
        for name, value in scores.classes50.items():
            self.log(f"val/map50/{name}", value)

    def find(self, image: Tensor) -> Detections:
        """Find the objects of one normalised image (1, C, rows, cols), of any size.

        It is cut into tiles as `segx predict` does; boxes of any score are told.
        """
        network = cast(DetectionNetwork, self.best_network)
        runtime = TorchRuntime(
            network,
            device=self.device,
            channels_last=self.settings.channels_last,
        )
        return detect_image(
            runtime,
            image[0].float().cpu().numpy(),
            plan=self.plan,
            nms_iou=network.detector.nms_iou,
        )


def _objects_of(batch: Batch) -> Sequence[Objects]:
    """The objects of each image.

    Raises:
        TrainingError: If nobody has told them.
    """
    if batch.objects is None:
        raise TrainingError("The batch holds no boxes to learn from.")
    return batch.objects
