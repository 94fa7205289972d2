"""What tells the best validation: the metrics that there are, and how long to wait."""

import logging
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from segx.config import FitConfig
from segx.config.names import did_you_mean
from segx.errors import ConfigError
from segx.labels import Labels

__all__ = ["Patience", "check_monitor"]

logger = logging.getLogger(__name__)

_MASKS = ("val/dice", "val/iou")
_CLASSES = (
    "val/auroc",
    "val/average_precision",
    "val/balanced_accuracy",
    "val/accuracy",
)
_BOXES = ("val/map50", "val/map", "val/map75")
_OF_TASK = {
    "segmentation": _MASKS,
    "classification": _CLASSES,
    "multitask": ("val/dice_auroc", *_MASKS, *_CLASSES),
    "detection": _BOXES,
}
_BY_CLASS = {"val/dice", "val/iou", "val/map", "val/map50"}


class Patience(EarlyStopping):
    """Ends a training after so many validations without a better one.

    How many is what the config says now, not what a run was started with.

    Args:
        monitor: Name of the metric, of which more is better.
        validations: How many.
    """

    def __init__(self, monitor: str, *, validations: int) -> None:
        super().__init__(
            monitor,
            mode="max",
            patience=validations,
            check_finite=False,
            check_on_train_epoch_end=False,
        )

    @property
    def state_key(self) -> str:
        """As Lightning's own class: runs of earlier versions go on waiting."""
        return super().state_key.replace(type(self).__qualname__, "EarlyStopping")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what has been waited, not for how long."""
        super().load_state_dict({**state_dict, "patience": self.patience})

    def on_train_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """A run that waited long enough before is at its end."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True
            self._tell(trainer)

    def on_validation_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Count, and say why the training ends."""
        super().on_validation_end(trainer, pl_module)
        if not trainer.sanity_checking and self.wait_count >= self.patience:
            self._tell(trainer)

    def _tell(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:
            logger.info(
                "Ends early: %d validations without a better %s "
                "(training.early_stopping)",
                self.wait_count,
                self.monitor,
            )


def check_monitor(config: FitConfig, *, labels: Labels | None = None) -> None:
    """Refuse a metric that no validation tells, or of which less is better.

    Args:
        config: Its ``training.monitor`` is held against what its task tells.
        labels: What masks or boxes mean, once it is known.

    Raises:
        ConfigError: With the names that there are.
    """
    monitor, known = config.training.monitor, _OF_TASK[config.task]
    if monitor in known:
        return
    metric, _, name = monitor.rpartition("/")
    by_class = _BY_CLASS & set(known)
    if metric in by_class and (labels is None or name in labels.foreground):
        return
    names = labels.foreground if labels else ()
    of_class = [f"{item}/{name}" for item in by_class for name in names]
    raise ConfigError(
        f"training.monitor: {config.task} has no metric {monitor!r} of which more is "
        f"better. {did_you_mean(monitor, [*known, *of_class])}"
    )
