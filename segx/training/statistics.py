"""Batch-norm statistics that are right from the first step."""

from typing import Any

import pytorch_lightning as pl
from torch.nn.modules.batchnorm import _BatchNorm

__all__ = ["FairStatistics"]


_TRAINED = 1000
"""Number of batches that trained statistics are taken for: more than any momentum
averages."""


class FairStatistics(pl.Callback):
    """Averages the first batches' statistics evenly, as Adam corrects its moments.

    A running variance begins at 1 and forgets that by a factor of 0.9 a batch, while
    the maps of separable convolutions have variances around 0.002: after 60 steps it
    was still 1.7 times too large, and a classifier that had learnt its training images
    gave all of them one class. So the n-th batch counts 1 / n, until that is below the
    layer's own momentum. Layers whose statistics are trained already keep them.

    References:
        Kingma & Ba 2015, arXiv 1412.6980, section 3; on statistics that mislead, Wu &
        Johnson 2021, arXiv 2105.07576.
    """

    def __init__(self) -> None:
        self._layers: list[tuple[_BatchNorm, int, float]] = []
        self._batches = 0

    def on_train_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> None:
        """Look how many batches each layer has seen before."""
        self._batches = 0
        self._layers = [
            (module, _seen(module), module.momentum)
            for module in pl_module.modules()
            if isinstance(module, _BatchNorm) and module.momentum is not None
        ]

    def on_train_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Set how much the statistics of this batch count."""
        following = []
        for layer, before, momentum in self._layers:
            share = 1 / (before + self._batches + 1)
            layer.momentum = max(momentum, share)
            if share > momentum:
                following.append((layer, before, momentum))
        self._layers = following
        self._batches += 1


def _seen(module: _BatchNorm) -> int:
    """Number of batches; statistics that came without one, as Keras's, get one."""
    count, variance = module.num_batches_tracked, module.running_var
    if count is None or variance is None:
        return 0
    if count == 0 and (variance != 1).any():
        count.fill_(_TRAINED)
    return int(count)
