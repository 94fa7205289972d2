"""Gradients are clipped as asked for, whatever the precision and the optimizer."""

from typing import Literal

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from segx.config import (
    Choice,
    EncoderConfig,
    HeadConfig,
    InferenceConfig,
    TrainingConfig,
)
from segx.labels import Labels
from segx.scans.intensity import Intensity
from segx.spec import ModelSpec
from segx.training.task import SegmentationTask

LIMIT = 0.01


def _task(precision: Literal["32-true", "bf16-mixed"]) -> SegmentationTask:
    spec = ModelSpec(
        task="segmentation",
        encoder=EncoderConfig(name="xception_narrow"),
        decoder=Choice(name="UNet"),
        head=HeadConfig(),
        in_channels=1,
        labels=Labels("binary", ("background", "cell")),
        class_names=None,
        intensity=Intensity.for_dtype(np.uint8, 1, mean=0.5, std=0.5),
        resize=None,
        inference=InferenceConfig(),
    )
    task = SegmentationTask(spec, loss=Choice(name="CE"), training=TrainingConfig())
    task.trainer = pl.Trainer(
        accelerator="cpu", precision=precision, logger=False, barebones=True
    )
    return task


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("algorithm", [None, "norm", "value"])
def test_gradients_of_a_fused_optimizer_are_clipped(
    precision: Literal["32-true", "bf16-mixed"], algorithm: str | None
) -> None:
    task = _task(precision)
    optimizer = task.configure_optimizers()["optimizer"]  # type: ignore[index, call-overload]
    assert all(group["fused"] for group in optimizer.param_groups)  # type: ignore[union-attr]
    gradients = []
    for parameter in task.network.parameters():
        parameter.grad = torch.ones_like(parameter)
        gradients.append(parameter.grad)
    task.configure_gradient_clipping(optimizer, LIMIT, algorithm)  # type: ignore[arg-type]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    if algorithm == "value":
        assert flat.max() == pytest.approx(LIMIT)
    else:
        assert flat.norm() == pytest.approx(LIMIT, rel=1e-3)


def test_no_limit_changes_nothing() -> None:
    task = _task("bf16-mixed")
    optimizer = task.configure_optimizers()["optimizer"]  # type: ignore[index, call-overload]
    parameter = next(task.network.parameters())
    parameter.grad = torch.full_like(parameter, 5.0)
    task.configure_gradient_clipping(optimizer)  # type: ignore[arg-type]
    assert (parameter.grad == 5).all()
