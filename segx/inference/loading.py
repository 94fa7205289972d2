"""From trained models on disk to a predictor: which engine runs them, and how."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from segx.atomic import sha256, verify_digest
from segx.errors import ConfigError, ModelError
from segx.inference.detect import BoxPredictor, no_detector
from segx.inference.engines import (
    Engine,
    RuntimeName,
    choices_of_exported,
    choices_of_model,
    classifier_of,
)
from segx.inference.exported import ExportedModel, is_exported
from segx.inference.folds import runs_of
from segx.inference.members import Member, Members
from segx.inference.plan import TilePlan
from segx.inference.predictor import Predictor, Working
from segx.inference.runtimes import Precision, Runtime
from segx.inference.views import Views
from segx.spec import ModelSpec
from segx.tiles.window import BlendKind

if TYPE_CHECKING:
    from segx.artifact import Model

__all__ = ["is_detector", "load", "load_detector", "predictor_of"]


def load(
    path: str | Path,
    *more: str | Path,
    device: str | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    blend: BlendKind | None = None,
    batch_size: int | None = None,
    views: Views = "none",
    skip_blank: bool = False,
    working: Working | None = None,
    interest: str | Path | None = None,
    runtime: RuntimeName | Literal["auto"] = "auto",
    precision: Precision | None = None,
) -> Predictor:
    """Load a trained model, ready to predict.

    Args:
        path: A run folder, a ``.ckpt``, a model folder, or an ``.onnx`` that `segx
            export` wrote, which is loaded and run without torch. Of a
            cross-validation's folder all folds are loaded.
        more: Further models, such as folds; their probabilities are averaged.
        device: ``cpu``, ``cuda`` or ``mps``; None takes the best there is.
        tile: Side of a tile, in pixels; None takes the model's own.
        overlap: Least share of a tile's side that its neighbour covers too, in [0, 1);
            None takes the model's own.
        blend: How a pixel's weight falls towards a tile's border, ``hann`` or
            ``gaussian``; None takes the model's own.
        batch_size: Number of tiles in one run of the network; None takes the model's.
        views: Test-time flips and turns, whose probabilities are averaged.
        skip_blank: Spare the network what shows nothing.
        working: The resolution that files are predicted at; None for the full one.
        interest: A mask or GeoJSON polygons, or a folder with one for each scan: what
            lies outside is background.
        runtime: The engine; ``auto`` takes the fastest installed and says which.
        precision: What the engine computes in; None takes the fastest there is.
    """
    engine = None if runtime == "auto" else runtime
    members = Members(
        [
            _member(run, device=device, runtime=engine, precision=precision)
            for item in (path, *more)
            for run in runs_of(Path(item))
        ],
        views=views,
    )
    plan = TilePlan.from_config(
        members.spec.inference,
        tile=tile,
        overlap=overlap,
        blend=blend,
        batch_size=batch_size,
    )
    return Predictor(
        members,
        plan=plan,
        skip_blank=skip_blank,
        working=working,
        interest=None if interest is None else Path(interest),
    )


def predictor_of(model: "Model", *, device: str | None = None) -> Predictor:
    """A predictor of a model that is loaded already, in the engine that `load` takes.

    Args:
        model: The model.
        device: ``cpu``, ``cuda`` or ``mps``; None takes the best there is.
    """
    choices = choices_of_model(model, device=device)
    classifier = classifier_of(model, device=device)
    member = _in_engine(model.spec, model.source, choices.choose(), classifier)
    return Predictor(Members([member]))


def is_detector(path: str | Path) -> bool:
    """Whether a trained model finds boxes: one for `load_detector`, not for `load`."""
    first = runs_of(Path(path))[0]
    if is_exported(first):
        return False
    from segx.artifact import find_weights, read_spec

    verify_digest(find_weights(first))
    return read_spec(first).task == "detection"


def load_detector(
    path: str | Path,
    *,
    device: str | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    batch_size: int | None = None,
    views: Views = "none",
    skip_blank: bool = False,
    working: Working | None = None,
    precision: Precision | None = None,
    score_threshold: float | None = None,
) -> BoxPredictor:
    """Load a trained detector, ready to find objects; it runs in torch.

    Args:
        path: A run folder, a ``.ckpt`` or a model folder.
        device: See `load`, as for all that is not told here.
        tile: Side of a tile, in pixels.
        overlap: Least share of a tile's side that its neighbour covers too. Objects
            smaller than the overlap are seen whole by one tile.
        batch_size: Number of tiles in one run of the network.
        views: Test-time flips and turns: what is found in any of them counts.
        skip_blank: Spare the network what shows nothing.
        working: The resolution that files are predicted at.
        precision: What convolutions compute in; None for float32.
        score_threshold: Least score of a box that is kept; None takes the model's own.

    Raises:
        ConfigError: If the path holds several models, or a number is out of range.
        ModelError: If the model is no detector.
    """
    from segx.artifact import load_model
    from segx.environment import choose_device
    from segx.inference.runtimes.eager import TorchRuntime
    from segx.models.detection import DetectionNetwork

    model = load_model(_only_run(Path(path)))
    network = model.network
    if not isinstance(network, DetectionNetwork):
        raise no_detector(model.source)
    return BoxPredictor(
        model.spec,
        TorchRuntime(
            network, device=choose_device(device), precision=precision or "fp32"
        ),
        model.source,
        digest=sha256(model.source),
        plan=TilePlan.from_config(
            model.spec.inference, tile=tile, overlap=overlap, batch_size=batch_size
        ),
        views=views,
        skip_blank=skip_blank,
        working=working,
        score_threshold=score_threshold,
        most=network.detector.detections,
        nms_iou=network.detector.nms_iou,
    )


def _member(
    path: Path,
    *,
    device: str | None,
    runtime: RuntimeName | None,
    precision: Precision | None,
) -> Member:
    """A model in the engine that was asked for, or in the fastest."""
    if is_exported(path):
        exported = ExportedModel.read(path, device=device)
        choices = choices_of_exported(exported)
        spec, source = exported.spec, path
        classifier = None
    else:
        from segx.artifact import load_model

        model = load_model(path)
        _refuse_detector(model)
        choices = choices_of_model(model, path=path, device=device)
        spec, source = model.spec, model.source
        classifier = classifier_of(model, device=device)
    engine = choices.choose(runtime=runtime, precision=precision)
    return _in_engine(spec, source, engine, classifier)


def _only_run(path: Path) -> Path:
    """The run at a path that holds no other."""
    run, *more = runs_of(path)
    if more:
        raise ConfigError(
            f"{path} holds {len(more) + 1} folds, and boxes of several detectors can't "
            f"be averaged. Give one of them, such as {run}."
        )
    return run


def _refuse_detector(model: "Model") -> None:
    if model.spec.task == "detection":
        raise ModelError(
            f"{model.source} finds boxes; it makes no masks. Load it by "
            "segx.load_detector, or give it to segx predict alone."
        )


def _in_engine(
    spec: ModelSpec, source: Path, engine: Engine, classifier: Runtime | None
) -> Member:
    """A model with the engine that runs it, and what that is held against."""
    return Member(
        spec,
        engine.runtime,
        source,
        digest=sha256(source),
        reference=engine.reference,
        spares=engine.spares,
        classifier=classifier,
    )
