"""What every task shares: the network, its average, the optimizer and the schedule."""

import logging
import sys
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from segx.artifact import build_network
from segx.config import Choice, TrainingConfig
from segx.models.detection import DetectionNetwork
from segx.models.network import Network
from segx.spec import ModelSpec
from segx.training.optim import Schedule, average_of, build_optimizer

__all__ = ["Learner"]

logger = logging.getLogger(__name__)


class Learner(pl.LightningModule):
    """A network that learns; tasks add the step.

    The average of the weights is a module of its own: it is saved, resumed and moved
    with the rest, and it is what is validated, kept and used for prediction.

    Args:
        spec: What the network is; a `ModelSpec` or its plain values.
        loss: The loss, by name and options.
        training: The `training` section of the config.

    Attributes:
        validation_limit: Batches, over all processes, that a validation looks at.
    """

    automatic_optimization = True

    def __init__(
        self,
        spec: ModelSpec | dict[str, Any],
        *,
        loss: Choice | dict[str, Any],
        training: TrainingConfig | dict[str, Any],
    ) -> None:
        super().__init__()
        self.spec = ModelSpec.model_validate(spec)
        self.settings = TrainingConfig.model_validate(training)
        self.loss_choice = Choice.model_validate(loss)
        # Plain values only: checkpoints are read without running code.
        self.hparams.update(
            spec=self.spec.model_dump(mode="json"),
            loss=self.loss_choice.model_dump(mode="json"),
            training=self.settings.model_dump(mode="json"),
        )
        self.network = build_network(self.spec)
        if self.settings.channels_last:
            self.network.to(memory_format=torch.channels_last)
        if self.settings.freeze_encoder == "all":
            self.network.encoder.requires_grad_(requires_grad=False)
        decay = self.settings.ema_decay
        self.average = average_of(self.network, decay=decay) if decay else None
        self.schedule = Schedule(
            self.settings.schedule, warmup_steps=self.settings.warmup_steps
        )
        self.validation_limit = sys.maxsize

    @property
    def best_network(self) -> Network | DetectionNetwork:
        """The network to validate and to keep: the average where there is one."""
        if self.average is None or int(self.average.n_averaged) == 0:
            return self.network
        return cast("Network | DetectionNetwork", self.average.module)

    def limit_validation(self, batches: int) -> None:
        """Let a validation look at so many batches only; the rest is not loaded."""
        self.validation_limit = batches
        loop = self.trainer.fit_loop.epoch_loop.val_loop
        if self.trainer.limit_val_batches == 1.0:
            own = -(-batches // self.trainer.world_size)
            loop._max_batches = [own for _ in loop._max_batches]  # noqa: SLF001

    def is_validated(self, batch_idx: int) -> bool:
        """Whether a validation batch counts; several processes take turns."""
        place = batch_idx * self.trainer.world_size + self.trainer.global_rank
        return place < self.validation_limit

    @property
    def learnt(self) -> nn.Module:
        """What the optimizer changes: the network, and what a task learns with it."""
        return self.network

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimizer, and the schedule's factor at every step."""
        optimizer = build_optimizer(
            self.learnt,
            self.settings.optimizer,
            layer_decay=self.settings.layer_decay,
            fused=self.trainer.precision != "16-mixed",  # see below
        )
        scheduler = LambdaLR(optimizer, self.schedule)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip as Lightning does, but those of a fused optimizer too.

        Lightning refuses it under autocast, for a fused optimizer may take the scale
        off the gradients only after they were clipped. Only those of float16 have one.
        """
        plugin = self.trainer.precision_plugin
        is_unscaled = isinstance(plugin, MixedPrecision) and plugin.scaler is None
        if not (gradient_clip_val and is_unscaled):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_algorithm == "value":
            plugin.clip_grad_by_value(optimizer, gradient_clip_val)
        else:
            plugin.clip_grad_by_norm(optimizer, gradient_clip_val)

    def on_train_start(self) -> None:
        """Fit the schedule to the length asked for now, also where a run goes on."""
        steps = self.trainer.estimated_stepping_batches
        self.schedule.total_steps = int(steps) if steps != float("inf") else None
        self._freeze_or_thaw()

    def on_train_epoch_start(self) -> None:
        """Thaw the encoder when its time has come."""
        self._freeze_or_thaw()

    def on_train_end(self) -> None:
        """Say it if the encoder was never thawed."""
        frozen = self.settings.freeze_encoder
        if frozen != "all" and self.trainer.current_epoch < frozen:
            logger.warning(
                "The encoder has not learnt: the training ended in epoch %d, and "
                "training.freeze_encoder is %d. Take fewer, or train longer.",
                self.trainer.current_epoch,
                frozen,
            )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Make a step, and let the average follow the weights."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def _freeze_or_thaw(self) -> None:
        """Hold the encoder's weights and statistics as long as is asked for."""
        frozen = self.settings.freeze_encoder
        is_frozen = frozen == "all" or self.trainer.current_epoch < frozen
        self.network.encoder.train(not is_frozen)
        if frozen != "all":
            self.network.encoder.requires_grad_(not is_frozen)

    def as_input(self, image: Tensor) -> Tensor:
        """An image batch (B, C, H, W) in the memory format that the network uses."""
        if self.settings.channels_last:
            return image.contiguous(memory_format=torch.channels_last)
        return image
