"""Runs as `segx fit` leaves them, of random weights."""

from pathlib import Path

import torch

from segx.config import DataConfig, FitConfig
from segx.labels import Labels
from segx.training.run import RunFolder
from tests.inference.exports import saved_model, spec


def random_run(folder: Path, data: Path, *, labels: Labels | None) -> Path:
    """A run of a segmenter on a data set; without labels, of a classifier."""
    described = spec(labels)
    if labels is None:
        update = {"class_names": ("bright", "dark")}
        described = described.model_copy(update=update)
    model = saved_model(folder / "model", described)
    run = RunFolder(folder / "run")
    run.create()
    task = "segmentation" if labels else "classification"
    run.write_config(FitConfig(task=task, data=DataConfig(root=data, batch_size=2)))
    state = {f"network.{k}": v for k, v in model.network.state_dict().items()}
    values = {"spec": model.spec.model_dump(mode="json")}
    content = {"state_dict": state, "hyper_parameters": values}
    torch.save(content, run.checkpoints / "best.ckpt")
    return run.path
