"""The story for boxes: read → normalise → tile → run → shift → suppress."""

import logging
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.boxes import Detections, merge_tiles
from segx.errors import ConfigError, ModelError, ScanError
from segx.geometry import Extent, Tile
from segx.inference.ahead import ahead
from segx.inference.blank import blank_map
from segx.inference.frugal import Frugal
from segx.inference.plan import TilePlan
from segx.inference.predictor import Image, Working
from segx.inference.runtimes import BoxRuntime
from segx.inference.views import VIEWS, Views, seen, unseen_boxes
from segx.scans.channel_files import open_channels
from segx.scans.channels import match_channels
from segx.scans.intensity import Intensity
from segx.scans.memory import ArrayScan
from segx.scans.resolution import at_resolution
from segx.scans.scan import Scan
from segx.spec import ModelSpec

__all__ = ["BoxPredictor", "detect_image", "no_detector"]

logger = logging.getLogger(__name__)

_FULL = (
    "%s: in %d of %d tiles the detector told %d boxes, its most: some may be missing. "
    "Take smaller tiles (--tile), or train with more model.detector.detections."
)

# Batches of tiles that are read before the network is ready for them.
_READ_AHEAD = 2


class BoxPredictor:
    """Finds objects in scans of any size; nothing but the model and the scan is needed.

    `segx.load_detector` makes one of a trained model. Boxes below the threshold are
    dropped tile by tile, so that memory grows with the boxes that are kept.

    Args:
        spec: What the model is.
        runtime: The engine, with the network in it.
        source: Where it came from; errors name it.
        digest: SHA-256 of its weights; empty where there is no file.
        plan: How scans are cut; None takes the model's own plan.
        views: Test-time flips and turns: what is found in any of them counts.
        skip_blank: Spare the network what shows nothing, see `blank_map`.
        working: The resolution that files are predicted at; None for the full one.
        score_threshold: Least score of a box that is kept; None takes the model's own.
        most: Boxes that the network tells of an image, at most; a warning says where it
            may have left some out. None if there is no bound.
        nms_iou: Of two boxes of a class that overlap by more, the weaker is dropped,
            within a tile and among tiles.

    Raises:
        ModelError: If the model is no detector.
        ConfigError: If the threshold is no score.
    """

    def __init__(
        self,
        spec: ModelSpec,
        runtime: BoxRuntime,
        source: Path,
        *,
        digest: str = "",
        plan: TilePlan | None = None,
        views: Views = "none",
        skip_blank: bool = False,
        working: Working | None = None,
        score_threshold: float | None = None,
        most: int | None = None,
        nms_iou: float = 0.5,
    ) -> None:
        if spec.labels is None or spec.task != "detection":
            raise no_detector(source)
        own = spec.inference
        self.labels = spec.labels
        self.spec = spec
        self.source = source
        self.digest = digest
        self.plan = plan or TilePlan.from_config(own)
        self.views = VIEWS[views]
        self.skip_blank = skip_blank
        self.working = working or Working()
        self.score_threshold = (
            own.score_threshold if score_threshold is None else score_threshold
        )
        if not 0 <= self.score_threshold <= 1:
            raise ConfigError(
                f"A score threshold of {self.score_threshold:g} was asked for; scores "
                "are from 0 to 1."
            )
        self._runtime = runtime
        self._nms_iou = nms_iou
        self._most = np.inf if most is None else most * len(self.views)

    @property
    def about(self) -> str:
        """The engine, as it says of itself."""
        return self._runtime.about

    @property
    def settings(self) -> dict[str, object]:
        """All that the boxes of a given scan depend on."""
        return {
            "model": (self.digest, self.spec.model_dump()),
            "runtime": self.about,
            "plan": self.plan,
            "views": self.views,
            "skip_blank": self.skip_blank,
            "working": self.working,
            "score_threshold": self.score_threshold,
        }

    def of_every_score(self) -> "BoxPredictor":
        """The same detector, which keeps every box that its network tells."""
        other = copy(self)
        other.score_threshold = 0.0
        other._most = np.inf  # noqa: SLF001 - of its own class
        return other

    def open(self, *paths: Path) -> Scan:
        """Open a scan, from one file or a file a channel, at the working resolution."""
        scan = open_channels(paths, axis=self.spec.axis)
        return at_resolution(scan, **self.working._asdict())

    def detect(self, image: Image) -> Detections:
        """Find the objects of a file or an array.

        Returns:
            Boxes in pixels of the image, the highest score first.

        Raises:
            ScanError: If it can't be read, or is a volume.
        """
        if isinstance(image, np.ndarray):
            return self.detect_scan(ArrayScan(image))
        paths = image if isinstance(image, tuple) else (Path(image),)
        with self.open(*paths) as scan:
            return self.detect_scan(scan)

    def detect_scan(self, scan: Scan) -> Detections:
        """Find the objects of an open scan; see `detect`."""
        tiles = self.tiles(scan)
        found = [boxes for batch in self.find(scan, tiles) for boxes in batch]
        return self.joined(scan, tiles, found)

    def joined(
        self, scan: Scan, tiles: Sequence[Tile], found: Sequence[Detections]
    ) -> Detections:
        """The boxes of a scan from those of all its tiles, the best first."""
        looks = list(zip(tiles, found, strict=True))
        return merge_tiles(looks, scan.extent, limit=self._nms_iou)

    def tiles(self, scan: Scan) -> list[Tile]:
        """The tiles of a scan that the network shall see, in reading order.

        Raises:
            ScanError: If the scan is a volume.
        """
        if scan.planes > 1:
            raise ScanError(
                f"{scan.path} has {scan.planes} planes, and objects are found in "
                "single images. Save the planes that are wanted as images."
            )
        grid = self.plan.tiling(scan.extent).tiles
        if not self.skip_blank:
            return grid
        is_blank = blank_map(scan)
        return [tile for tile in grid if not is_blank(tile)]

    def find(self, scan: Scan, tiles: Sequence[Tile]) -> Iterator[list[Detections]]:
        """Find what tiles show; they are read in a thread while the network runs.

        Args:
            scan: The scan.
            tiles: Some of what `tiles` gave. Where a later call goes on, it shall begin
                behind whole batches: the same tiles run together, and give the same.

        Yields:
            For each batch, the boxes of each of its tiles, in pixels of the scan.
        """
        scale, size = self.spec.intensity.fitted_to(scan), self.plan.batch_size
        batches = [tiles[first : first + size] for first in range(0, len(tiles), size)]
        # No tile is padded: the network takes any size, and nothing is mirrored.
        images = (
            np.stack([self._normalised(scan, scale, tile) for tile in batch])
            for batch in batches
        )
        run, full = Frugal(self._in_all_views), 0
        for batch, pixels in zip(
            batches, ahead(images, depth=_READ_AHEAD), strict=True
        ):
            found = [boxes for part in run(pixels) for boxes in part]
            full += sum(len(boxes) >= self._most for boxes in found)
            yield [
                boxes.shifted(rows=tile.top, cols=tile.left)
                for tile, boxes in zip(batch, found, strict=True)
            ]
        if full:
            logger.warning(_FULL, scan.path, full, len(tiles), self._most)

    def _normalised(
        self, scan: Scan, scale: Intensity, tile: Tile
    ) -> NDArray[np.float32]:
        """A tile as the network reads it, (channels, rows, cols)."""
        pixels = scan.read(tile.within(scan.extent))
        pixels = match_channels(pixels, self.spec.in_channels, source=scan.path)
        return np.moveaxis(scale(pixels, source=scan.path), 2, 0)

    def _in_all_views(self, tiles: NDArray[np.float32]) -> list[Detections]:
        """What is found in each tile, in its pixels, and is sure enough."""
        extent = Extent(*tiles.shape[2:])
        found: list[list[Detections]] = [[] for _ in tiles]
        for view in self.views:
            answers = self._runtime.find(seen(tiles, view))
            for boxes, parts in zip(answers, found, strict=True):
                parts.append(unseen_boxes(boxes, view, extent).clipped(extent))
        joined = [Detections.joined(parts) for parts in found]
        return [boxes.taken(boxes.scores >= self.score_threshold) for boxes in joined]


def detect_image(
    runtime: BoxRuntime, image: NDArray[np.float32], *, plan: TilePlan, nms_iou: float
) -> Detections:
    """Find objects of any score in a normalised image, tile by tile.

    Args:
        runtime: The engine, with the network in it.
        image: Shape (channels, rows, cols).
        plan: How it is cut.
        nms_iou: Of two boxes of a class that overlap by more, the weaker is dropped.
    """
    extent = Extent(*image.shape[1:])
    looks = []
    for tile in plan.tiling(extent).tiles:
        (boxes,) = runtime.find(image[np.newaxis, :, *tile.within(extent).slices])
        looks.append((tile, boxes.shifted(rows=tile.top, cols=tile.left)))
    return merge_tiles(looks, extent, limit=nms_iou)


def no_detector(source: Path) -> ModelError:
    """What is said of a model that finds something else."""
    return ModelError(f"{source} finds no boxes. Load it by segx.load.")
