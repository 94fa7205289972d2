"""From a trained model on disk to a predictor: which engine runs it, and how."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from segx.inference.members import Member, Members
from segx.inference.plan import TilePlan
from segx.inference.predictor import Predictor

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
) -> Predictor:
    """Load a trained model, ready to predict.

    Args:
        path: A run folder, a ``.ckpt`` or a model folder.
        device: ``cpu``, ``cuda`` or ``mps``; None takes the best there is.
        tile: Side of a tile, in pixels; None takes the model's own.
        overlap: Least share of a tile's side that its neighbour covers too, in [0, 1);
            None takes the model's own.
        batch_size: Number of tiles in one run of the network; None takes the model's.
    """
    from segx.artifact import load_model

    model = load_model(path)
    plan = TilePlan.from_config(
        model.spec.inference, tile=tile, overlap=overlap, batch_size=batch_size
    )
    return predictor_of(model, device=device, plan=plan)


def predictor_of(
    model: "Model", *, device: str | None = None, plan: TilePlan | None = None
) -> Predictor:
    """A predictor that runs a model in PyTorch, in bfloat16 where that is fast."""
    member = Member(model.spec, _torch_runtime(model, device), model.source)
    return Predictor(Members([member]), plan=plan)


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
