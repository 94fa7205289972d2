"""The story: read → normalise → tile → run → blend → decide → write."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from segx.inference.runtimes import Runtime
from segx.inference.sketch import Sketch
from segx.inference.tiled import predict_bands, predict_image, resize_probabilities
from segx.labels import Labels
from segx.masks.activation import softmax
from segx.masks.decide import decide
from segx.scans.files import create_mask, open_scan, scan_files
from segx.scans.intensity import Intensity
from segx.scans.memory import ArrayScan
from segx.scans.neighbours import read_with_neighbours
from segx.scans.overlay import write_png
from segx.scans.resize import resize_image
from segx.scans.scan import Scan
from segx.spec import ModelSpec

__all__ = ["Band", "Predictor"]

_logger = logging.getLogger(__name__)

Image = str | Path | NDArray[Any]
"""A file, or an array of shape (rows, cols) or (rows, cols, channels)."""


class Band(NamedTuple):
    """Finished rows of a plane.

    Args:
        plane: Number of the plane, from 0.
        region: Where the rows lie; they reach over the scan's full width.
        probabilities: In [0, 1], shape (classes, rows, cols).
    """

    plane: int
    region: Region
    probabilities: NDArray[np.float32]


class Predictor:
    """Makes masks of scans of any size; nothing but the model and the scan is needed.

    `segx.load` makes one of a trained model.

    Args:
        spec: What the model is.
        runtime: The engine, with the model's network in it.
        source: Where the model came from; errors name it.
        plan: How scans are cut; None takes the model's own plan.
    """

    def __init__(
        self,
        spec: ModelSpec,
        runtime: Runtime,
        *,
        source: Path,
        plan: TilePlan | None = None,
    ) -> None:
        self.spec = spec
        self.runtime = runtime
        self.source = source
        self.plan = plan or TilePlan.from_config(spec.inference)

    def predict_probabilities(self, scan: Scan) -> Iterator[Band]:
        """Predict a scan in bands of full width, as they are finished.

        Yields:
            Bands that together cover each plane once, from the top, in order.
        """
        resize, labels = self.spec.resize, self.labels
        intensity = self.spec.intensity.fitted_to(scan, neighbours=self.spec.neighbours)
        for plane in range(scan.planes):
            if resize is None:
                bands = predict_bands(
                    self.runtime,
                    partial(self._normalised, scan, plane, intensity=intensity),
                    scan.extent,
                    labels=labels,
                    plan=self.plan,
                )
                for region, band in bands:
                    yield Band(plane, region, band)
                continue
            whole = Region.whole(scan.extent)
            image = self._normalised(
                scan, plane, whole, intensity=intensity, resize=Extent(*resize)
            )
            small = predict_image(self.runtime, image, labels=labels, plan=self.plan)
            yield Band(plane, whole, resize_probabilities(small, scan.extent))

    def predict(self, image: Image) -> NDArray[np.uint8]:
        """Predict the mask of a file or an array.

        Returns:
            Ids, shape (rows, cols); of a volume (planes, rows, cols). For multilabel
            masks 0 and 1, with a last axis for the classes.
        """
        with self._as_scan(image) as scan:
            planes: list[list[NDArray[np.uint8]]] = [[] for _ in range(scan.planes)]
            for band in self.predict_probabilities(scan):
                planes[band.plane].append(decide(band.probabilities, self.labels))
        masks = [np.concatenate(bands) for bands in planes]
        return np.stack(masks) if len(masks) > 1 else masks[0]

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
        (plan,) = plan_outputs([source], Path(out), labels=self.labels).values()
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
            sources, Path(out), labels=self.labels
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
            Shape (classes,), summing to 1, in the order of ``spec.class_names``.
        """
        spec = self.spec
        if spec.class_names is None:
            raise ModelError(
                f"{self.source} segments images; it can't classify them. Use predict."
            )
        resize = Extent(*spec.resize) if spec.resize else None
        with self._as_scan(image) as scan:
            whole = self._normalised(
                scan,
                0,
                Region.whole(scan.extent),
                intensity=spec.intensity.fitted_to(scan),
                resize=resize,
            )
        return softmax(self.runtime.run(whole[np.newaxis])[0], axis=0)

    @property
    def labels(self) -> Labels:
        """What the masks' values mean.

        Raises:
            ModelError: If the model is a classifier.
        """
        if self.spec.labels is None:
            raise ModelError(
                f"{self.source} classifies images; it makes no masks. Use classify."
            )
        return self.spec.labels

    def _write(self, source: Path, plan: OutputPlan, *, overlay: bool) -> PredictedFile:
        labels, neighbours = self.labels, self.spec.neighbours
        with (
            open_scan(source, axis=self.spec.axis) as scan,
            create_mask(plan.mask, like=scan, labels=labels) as sink,
        ):
            intensity = self.spec.intensity.fitted_to(scan, neighbours=neighbours)
            sketch = Sketch(scan.extent, labels=labels, intensity=intensity)
            for plane, region, probabilities in self.predict_probabilities(scan):
                mask = decide(probabilities, labels)
                sink.write(region, mask, plane=plane)
                if overlay and plane == scan.planes // 2:
                    sketch.add(region, self._pixels(scan, plane, region), mask)
            if overlay:
                write_png(plan.overlay, sketch.draw())
        return PredictedFile(sink.paths, plan.overlay if overlay else None)

    def _pixels(self, scan: Scan, plane: int, region: Region) -> NDArray[Any]:
        """Stored values with the channels that the model reads."""
        neighbours = self.spec.neighbours
        return read_with_neighbours(
            scan,
            region,
            plane=plane,
            neighbours=neighbours,
            channels=self.spec.in_channels // (2 * neighbours + 1),
        )

    def _normalised(
        self,
        scan: Scan,
        plane: int,
        region: Region,
        *,
        intensity: Intensity,
        resize: Extent | None = None,
    ) -> NDArray[np.float32]:
        """A region as the network reads it, (channels, rows, cols)."""
        pixels = self._pixels(scan, plane, region)
        if resize is not None:
            pixels = resize_image(pixels, resize)
        normalised = intensity(pixels, source=scan.path)
        return np.moveaxis(normalised, 2, 0)

    def _as_scan(self, image: Image) -> Scan:
        if isinstance(image, np.ndarray):
            return ArrayScan(image)
        return open_scan(Path(image), axis=self.spec.axis)
