"""Models without weights: engines whose answers are known beforehand."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segx.artifact import Model
from segx.boxes import Detections
from segx.config import Choice, EncoderConfig, HeadConfig, InferenceConfig
from segx.inference.detect import BoxPredictor
from segx.inference.members import Member, Members
from segx.inference.plan import TilePlan
from segx.inference.predictor import Predictor
from segx.inference.runtimes import Runtime
from segx.inference.tiled import Run
from segx.labels import Labels
from segx.masks.activation import to_probabilities
from segx.scans.intensity import Intensity
from segx.spec import ModelSpec

BINARY = Labels("binary", ("background", "cell"))
THREE = Labels("multiclass", ("background", "cytoplasm", "nucleus"))
LAYERS = Labels("multilabel", ("red", "green", "blue"))


@dataclass
class Identity:
    """Logits whose sigmoid is the image, for labels with a layer a channel."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    about: str = "identity"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(tiles.shape)
        inner = np.clip(tiles, 1e-6, 1 - 1e-6).astype(np.float64)
        return np.log(inner / (1 - inner)).astype(np.float32)


@dataclass(frozen=True)
class Constant:
    """The same logits for every pixel of every tile."""

    logits: tuple[float, ...]
    about: str = "constant"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        shape = (len(tiles), len(self.logits), *tiles.shape[2:])
        values = np.asarray(self.logits, np.float32)[:, np.newaxis, np.newaxis]
        return np.broadcast_to(values, shape)


class Brightness:
    """Three classes by the brightness of the first channel."""

    about = "brightness"

    def run(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        grey = tiles[:, :1]
        return 9 - 30 * np.abs(np.concatenate([grey, grey - 0.5, grey - 1], axis=1))


@dataclass
class Blobs:
    """Finds what is bright in the first channel, exactly; counts the tiles.

    The second channel tells the class, the third one the score.
    """

    tiles: int = 0
    about: str = "blobs"

    def find(self, tiles: NDArray[np.float32]) -> list[Detections]:
        self.tiles += len(tiles)
        return [self._found(tile) for tile in tiles]

    def _found(self, tile: NDArray[np.float32]) -> Detections:
        numbers, _ = ndimage.label(tile[0] > 0.5)
        boxes, classes, scores = [], [], []
        for rows, cols in ndimage.find_objects(numbers):
            boxes.append([cols.start, rows.start, cols.stop, rows.stop])
            classes.append(1 + int(tile[1, rows.start, cols.start] > 0.5))
            scores.append(tile[2, rows.start, cols.start])
        return Detections.of(boxes, classes, scores)


def drawn(truth: Detections, rows: int, cols: int) -> NDArray[np.uint8]:
    """An image in which `Blobs` finds the objects, which may not touch."""
    image = np.zeros((rows, cols, 3), np.uint8)
    columns = (truth.boxes.astype(int).tolist(), truth.classes, truth.scores)
    for (left, top, right, bottom), number, score in zip(*columns, strict=True):
        colour = (255, 255 * (number - 1), round(255 * score))
        image[top:bottom, left:right] = colour
    return image


def box_predictor(runtime: Any, **options: Any) -> BoxPredictor:
    """A predictor of boxes whose engine is a stand-in; tiles of 32 px share 16."""
    spec = model(THREE, inference=InferenceConfig(tile=32, overlap=0.5)).spec
    change = {
        "task": "detection",
        "decoder": None,
        "detector": Choice(name="RetinaNet"),
    }
    found = spec.model_copy(update=change)
    return BoxPredictor(found, runtime, Path("runs/stub"), **options)


def model(
    labels: Labels | None = BINARY,
    *,
    channels: int = 3,
    intensity: Intensity | None = None,
    resize: tuple[int, int] | None = None,
    inference: InferenceConfig | None = None,
    class_names: tuple[str, ...] | None = None,
) -> Model:
    """A model that has a spec and no network."""
    scale = intensity or Intensity.for_dtype(np.uint8, channels, mean=0.0, std=1.0)
    spec = ModelSpec(
        task="classification" if labels is None else "segmentation",
        encoder=EncoderConfig(),
        decoder=None if labels is None else Choice(name="UNet"),
        head=HeadConfig(),
        in_channels=scale.channels,
        labels=labels,
        class_names=class_names,
        intensity=scale,
        resize=resize,
        inference=inference or InferenceConfig(tile=32),
    )
    nothing: Any = None
    return Model(nothing, spec, Path("runs/stub"))


def run_of(runtime: Runtime, labels: Labels) -> Run:
    """Probabilities of an engine's logits."""
    return lambda tiles: to_probabilities(runtime.run(tiles), labels, axis=1)


def predictor_with(
    stub: Model,
    runtime: Runtime,
    *,
    tile: int | None = None,
    overlap: float | None = None,
    batch_size: int | None = None,
) -> Predictor:
    """A predictor whose engine is a stand-in."""
    plan = TilePlan.from_config(
        stub.spec.inference, tile=tile, overlap=overlap, batch_size=batch_size
    )
    member = Member(stub.spec, runtime, stub.source)
    return Predictor(Members([member]), plan=plan)
