"""From a trained model on disk to a predictor: which engine runs it, and how."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segx.inference.engines import (
    Engine,
    RuntimeName,
    choices_of_exported,
    choices_of_model,
)
from segx.inference.exported import ExportedModel, is_exported
from segx.inference.plan import TilePlan
from segx.inference.predictor import Predictor
from segx.inference.runtimes import Precision
from segx.spec import ModelSpec

if TYPE_CHECKING:
    from segx.artifact import Model
    from segx.inference.runtimes.eager import TorchRuntime

__all__ = ["load", "predictor_of"]

_logger = logging.getLogger(__name__)


def load(
    path: str | Path,
    *,
    device: str | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    batch_size: int | None = None,
    runtime: RuntimeName | Literal["auto"] = "auto",
    precision: Precision | None = None,
) -> Predictor:
    """Load a trained model, ready to predict.

    Args:
        path: A run folder, a ``.ckpt``, a model folder, or an ``.onnx`` that `segx
            export` wrote, which is loaded and run without torch.
        device: ``cpu``, ``cuda`` or ``mps``; None takes the best there is.
        tile: Side of a tile, in pixels; None takes the model's own.
        overlap: Least share of a tile's side that its neighbour covers too, in [0, 1);
            None takes the model's own.
        batch_size: Number of tiles in one run of the network; None takes the model's.
        runtime: The engine; ``auto`` takes the fastest installed and says which.
        precision: What the engine computes in; None takes the fastest there is.
    """
    spec, source, engine = _engine(
        Path(path),
        device=device,
        runtime=None if runtime == "auto" else runtime,
        precision=precision,
    )
    plan = TilePlan.from_config(
        spec.inference, tile=tile, overlap=overlap, batch_size=batch_size
    )
    return Predictor(spec, engine.runtime, source=source, plan=plan)


def predictor_of(
    model: "Model", *, device: str | None = None, plan: TilePlan | None = None
) -> Predictor:
    """A predictor that runs a model in PyTorch, in bfloat16 where that is fast."""
    runtime = _torch_runtime(model, device)
    return Predictor(model.spec, runtime, source=model.source, plan=plan)


def _engine(
    path: Path,
    *,
    device: str | None,
    runtime: RuntimeName | None,
    precision: Precision | None,
) -> tuple[ModelSpec, Path, Engine]:
    """What the model is, where it was found, and what runs it."""
    if is_exported(path):
        exported = ExportedModel.read(path, device=device)
        choices = choices_of_exported(exported)
        spec, source = exported.spec, path
    else:
        from segx.artifact import load_model

        model = load_model(path)
        choices = choices_of_model(model, path=path, device=device)
        spec, source = model.spec, model.source
    return spec, source, choices.choose(runtime=runtime, precision=precision)


def _torch_runtime(model: "Model", device: str | None) -> "TorchRuntime":
    """PyTorch on a device; the choice of precision is logged."""
    from segx.environment import bf16_support, choose_device
    from segx.inference.runtimes.eager import TorchRuntime

    place = choose_device(device)
    bf16 = bf16_support(place)
    _logger.info("Predicting on %s: %s", place, bf16.reason)
    return TorchRuntime(
        model.network,
        device=place,
        precision="bf16" if bf16.fast else "fp32",
        head="class" if model.spec.labels is None else "mask",
    )
