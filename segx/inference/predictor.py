"""The story: read → normalise → tile → run → blend → decide → write."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segx.environment import bf16_support, choose_device
from segx.errors import ModelError, SegxError
from segx.geometry import Extent, Region
from segx.inference.outputs import (
    Outcome,
    OutputPlan,
    PredictedFile,
    plan_outputs,
    prepare_folder,
)
from segx.inference.plan import TilePlan
from segx.inference.runtimes import Runtime, TorchRuntime
from segx.inference.sketch import Sketch
from segx.inference.tiled import predict_bands, predict_image, resize_probabilities
from segx.labels import Labels
from segx.masks.activation import softmax
from segx.masks.decide import decide
from segx.scans.files import create_mask, open_scan, scan_files
from segx.scans.intensity import match_channels
from segx.scans.memory import ArrayScan
from segx.scans.overlay import write_png
from segx.scans.resize import resize_image
from segx.scans.scan import Scan

if TYPE_CHECKING:
    from segx.artifact import Model

__all__ = ["Predictor", "load"]

_logger = logging.getLogger(__name__)

Image = str | Path | NDArray[Any]
"""A file, or an array of shape (rows, cols) or (rows, cols, channels)."""


def load(
    path: str | Path,
    *,
    device: str | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    batch_size: int | None = None,
) -> "Predictor":
    """Load a trained model, ready to predict; see `Predictor`.

    Args:
        path: A run folder, a ``.ckpt`` or a model folder.
        device: ``cpu``, ``cuda`` or ``mps``; None takes the best there is.
        tile: Side of a tile, in pixels; None takes the model's own.
        overlap: Least share of a tile's side that its neighbour covers too.
        batch_size: Number of tiles in one run of the network.
    """
    from segx.artifact import load_model

    return Predictor(
        load_model(path),
        device=device,
        tile=tile,
        overlap=overlap,
        batch_size=batch_size,
    )


class Predictor:
    """Makes masks of scans of any size; nothing but the model and the scan is needed.

    Args:
        model: A trained model, from `segx.artifact.load_model`.
        device: ``cpu``, ``cuda`` or ``mps``; None takes the best there is.
        tile: Side of a tile, in pixels; None takes the model's own.
        overlap: Least share of a tile's side that its neighbour covers too, in [0, 1);
            None takes the model's own.
        batch_size: Number of tiles in one run of the network; None takes the model's.
        runtime: The engine; None takes PyTorch, in bfloat16 where that is fast.
    """

    def __init__(
        self,
        model: "Model",
        *,
        device: str | None = None,
        tile: int | None = None,
        overlap: float | None = None,
        batch_size: int | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self.model = model
        self.plan = TilePlan.from_config(
            model.spec.inference, tile=tile, overlap=overlap, batch_size=batch_size
        )
        self._runtime = runtime or _torch_runtime(model, choose_device(device))

    def predict_probabilities(
        self, scan: Scan
    ) -> Iterator[tuple[Region, NDArray[np.float32]]]:
        """Predict a scan in bands of full width, as they are finished.

        Yields:
            Where the band lies, and its probabilities, shape (classes, rows, cols).
            Together the bands cover the scan once, from the top.
        """
        resize, labels = self.model.spec.resize, self._labels
        if resize is None:
            yield from predict_bands(
                self._runtime,
                lambda region: self._normalised(scan, region),
                scan.extent,
                labels=labels,
                plan=self.plan,
            )
            return
        image = self._normalised(
            scan, Region.whole(scan.extent), resize=Extent(*resize)
        )
        small = predict_image(self._runtime, image, labels=labels, plan=self.plan)
        yield Region.whole(scan.extent), resize_probabilities(small, scan.extent)

    def predict(self, image: Image) -> NDArray[np.uint8]:
        """Predict the mask of a file or an array.

        Returns:
            Ids, shape (rows, cols); for multilabel masks 0 and 1, shape (rows, cols,
            classes).
        """
        with _as_scan(image) as scan:
            bands = [
                decide(band, self._labels)
                for _, band in self.predict_probabilities(scan)
            ]
        return np.concatenate(bands)

    def predict_to(
        self, path: str | Path, out: str | Path, *, overlay: bool = True
    ) -> PredictedFile:
        """Write the mask of a file and an overlay; each appears whole or not at all.

        Args:
            path: The scan.
            out: Folder for ``<stem>.png`` (``.tif`` for TIFF) and
                ``<stem>_overlay.png``; it is made where it is missing.
            overlay: Whether the overlay is wanted.
        """
        source = Path(path)
        (plan,) = plan_outputs([source], Path(out), labels=self._labels).values()
        return self._write(source, plan, overlay=overlay)

    def predict_folder(
        self,
        paths: Sequence[str | Path],
        out: str | Path,
        *,
        overlay: bool = True,
        on_done: Callable[[Outcome], None] | None = None,
    ) -> list[Outcome]:
        """Predict files and folders; one that fails does not stop the others.

        Args:
            paths: Images, and folders of images.
            out: Folder for the outputs, see `predict_to`.
            overlay: Whether overlays are wanted.
            on_done: Called after each scan.

        Returns:
            One outcome a scan, in order; failures are logged, too.

        Raises:
            ScanError: Before anything is predicted: if a path is missing or no image,
                or two outputs would have the same name.
        """
        sources = scan_files(Path(path) for path in paths)
        prepare_folder(Path(out))
        outcomes = []
        for source, plan in plan_outputs(
            sources, Path(out), labels=self._labels
        ).items():
            try:
                written = self._write(source, plan, overlay=overlay)
                outcome = Outcome(source, written, None)
            except SegxError as error:
                _logger.warning("%s", error)
                outcome = Outcome(source, None, error)
            outcomes.append(outcome)
            if on_done is not None:
                on_done(outcome)
        return outcomes

    def classify(self, image: Image) -> NDArray[np.float32]:
        """Probabilities of the classes that a whole image may belong to.

        Returns:
            Shape (classes,), summing to 1, in the order of ``model.spec.class_names``.
        """
        spec = self.model.spec
        if spec.class_names is None:
            raise ModelError(
                f"{self.model.source} segments images; it can't classify them. "
                "Use predict."
            )
        resize = Extent(*spec.resize) if spec.resize else None
        with _as_scan(image) as scan:
            whole = self._normalised(scan, Region.whole(scan.extent), resize=resize)
        return softmax(self._runtime.run(whole[np.newaxis])[0], axis=0)

    def _write(self, source: Path, plan: OutputPlan, *, overlay: bool) -> PredictedFile:
        labels, intensity = self._labels, self.model.spec.intensity
        with (
            open_scan(source) as scan,
            create_mask(plan.mask, like=scan, labels=labels) as sink,
        ):
            sketch = Sketch(scan.extent, labels=labels, intensity=intensity)
            for region, band in self.predict_probabilities(scan):
                mask = decide(band, labels)
                sink.write(region, mask)
                if overlay:
                    sketch.add(region, self._pixels(scan, region), mask)
            if overlay:
                write_png(plan.overlay, sketch.draw())
        return PredictedFile(sink.paths, plan.overlay if overlay else None)

    def _pixels(self, scan: Scan, region: Region) -> NDArray[Any]:
        """Stored values with the channels that the model reads."""
        channels = self.model.spec.intensity.channels
        return match_channels(scan.read(region), channels, source=scan.path)

    def _normalised(
        self, scan: Scan, region: Region, *, resize: Extent | None = None
    ) -> NDArray[np.float32]:
        """A region as the network reads it, (channels, rows, cols)."""
        pixels = self._pixels(scan, region)
        if resize is not None:
            pixels = resize_image(pixels, resize)
        normalised = self.model.spec.intensity(pixels, source=scan.path)
        return np.moveaxis(normalised, 2, 0)

    @property
    def _labels(self) -> Labels:
        labels = self.model.spec.labels
        if labels is None:
            raise ModelError(
                f"{self.model.source} classifies images; it makes no masks. "
                "Use classify."
            )
        return labels


def _as_scan(image: Image) -> Scan:
    return ArrayScan(image) if isinstance(image, np.ndarray) else open_scan(Path(image))


def _torch_runtime(model: "Model", device: str) -> TorchRuntime:
    """PyTorch, in bfloat16 where the device is good at it; the choice is logged."""
    bf16 = bf16_support(device)
    _logger.info("Predicting on %s: %s", device, bf16.reason)
    return TorchRuntime(
        model.network,
        device=device,
        precision="bf16" if bf16.fast else "fp32",
        head="class" if model.spec.labels is None else "mask",
    )
