"""What happens beside the steps: pictures of cases, speed, a bar, the last step."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import RichProgressBar

from segx.boxes import Detections
from segx.data.dataset import Batch
from segx.geometry import Extent
from segx.scans.overlay import as_rgb, draw_boxes, draw_overlay, write_png
from segx.spec import ModelSpec
from segx.training.detection import DetectionTask
from segx.training.task import SegmentationTask

__all__ = ["LastStep", "Overlays", "Progress", "Resumed", "Speed"]

logger = logging.getLogger(__name__)


class Overlays(pl.Callback):
    """Draws validation cases after each validation: truth left, prediction right.

    Args:
        folder: Where the pictures go: ``step000120_NAME.png``.
        names: What is drawn, by number of the case and of its plane: their names.
    """

    def __init__(self, folder: Path, *, names: Mapping[tuple[int, int], str]) -> None:
        self.folder = folder
        self.names = names

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw the case that was just counted."""
        name = self.names.get((int(batch.case[0]), int(batch.plane[0])))
        if trainer.sanity_checking or name is None:
            return
        if outputs is None:
            return
        pair = (outputs["truth"], outputs["predicted"])
        if isinstance(pl_module, SegmentationTask):
            extent = Extent(*pair[0].shape[:2])
            picture = _picture(batch, pl_module.spec, extent)
            panels = [draw_overlay(picture, mask, pl_module.labels) for mask in pair]
        elif isinstance(pl_module, DetectionTask):
            picture = _picture(batch, pl_module.spec, Extent(*batch.image.shape[-2:]))
            panels = [_with_boxes(picture, item, pl_module.spec) for item in pair]
        else:
            return
        step = f"step{trainer.global_step:06d}"
        write_png(self.folder / f"{step}_{name}.png", np.hstack(panels))


class Speed(pl.Callback):
    """Logs seconds a step, those of them that it waits for data, and images a second.

    Waiting is all between two batches: what Lightning does there counts too. Batches
    whose gradients are gathered are one step.
    """

    def __init__(self) -> None:
        self._end: float | None = None  # of the step before
        self._batch_end: float | None = None
        self._waited = 0.0
        self._images = 0

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note how long the data took."""
        if self._batch_end is not None:
            self._waited += time.perf_counter() - self._batch_end

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Log the time since the step before ended."""
        self._batch_end = now = time.perf_counter()
        self._images += len(batch.image)
        if trainer.fit_loop._should_accumulate():  # noqa: SLF001
            return
        if self._end is not None:
            seconds = now - self._end
            pl_module.log("train/step_s", seconds)
            pl_module.log("train/wait_s", self._waited)
            pl_module.log("train/images_per_s", self._images / seconds, prog_bar=True)
        self._end, self._waited, self._images = now, 0.0, 0

    def on_validation_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """A validation is no part of a step."""
        self._end = self._batch_end = None
        self._waited, self._images = 0.0, 0


class Progress(RichProgressBar):
    """Lightning's bar, which ends where the training does.

    Steps or a time budget may end it within an epoch, and a plan may change.
    """

    def __init__(self) -> None:
        super().__init__()
        self._done = 0

    @property
    def total_train_batches(self) -> int | float:
        """Batches of the epoch, or those up to the last step."""
        trainer = self.trainer
        batches = trainer.num_training_batches
        if trainer.max_steps < 0:
            return batches
        steps_left = trainer.max_steps - trainer.global_step
        return min(batches, self._done + steps_left * trainer.accumulate_grad_batches)

    def on_train_epoch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Start the bar again."""
        self._done = 0
        super().on_train_epoch_start(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move on, towards an end that may have moved too."""
        self._done = batch_idx + 1
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if self.progress is not None and self.train_progress_bar_id is not None:
            total = self.total_train_batches
            self.progress.update(self.train_progress_bar_id, total=total)

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """What stands behind the bar, by short names, so that it fits a line."""
        found = super().get_metrics(trainer, pl_module)
        found.pop("v_num", None)  # a run folder has no versions
        short = {name: name.rpartition("/")[2] for name in found}
        short["train/images_per_s"] = "img/s"
        return {short[name]: value for name, value in found.items()}

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch}"


class Resumed(pl.Callback):
    """Says where a training that was interrupted goes on."""

    def on_train_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Say it once the length of the training is known."""
        steps = trainer.estimated_stepping_batches
        of_all = "" if steps == float("inf") else f" of {int(steps)}"
        if trainer.is_global_zero:
            logger.info("Goes on at step %d%s", trainer.global_step, of_all)


class LastStep(pl.Callback):
    """Lets the last step be validated and kept, also in the middle of an epoch."""

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Ask for the stop ourselves: Lightning then validates, unlike at its own."""
        if 0 < trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True


def _with_boxes(
    picture: NDArray[np.uint8], objects: Detections, spec: ModelSpec
) -> NDArray[np.uint8]:
    """The picture of an image with the boxes of its objects."""
    rgb = as_rgb(picture)
    if spec.labels is None:
        return rgb
    return draw_boxes(rgb, objects.boxes, objects.classes, spec.labels)


def _picture(batch: Batch, spec: ModelSpec, extent: Extent) -> NDArray[np.uint8]:
    """The image of a batch of one, for eyes: (rows, cols, channels), uint8.

    Neighbouring planes are left out.
    """
    intensity, image = spec.intensity, batch.image[0].float().cpu()
    mean = torch.tensor(intensity.mean).view(-1, 1, 1)
    std = torch.tensor(intensity.std).view(-1, 1, 1)
    unit = (image * std + mean).clamp(0, 1)[None]
    if spec.neighbours:
        unit = unit.chunk(2 * spec.neighbours + 1, dim=1)[spec.neighbours]
    size = (extent.rows, extent.cols)
    if unit.shape[-2:] != size:
        unit = torch.nn.functional.interpolate(unit, size=size, mode="bilinear")
    array: NDArray[np.uint8] = (unit[0] * 255).byte().permute(1, 2, 0).numpy()
    return array
