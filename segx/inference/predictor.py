"""The story: read → normalise → tile → run → blend → decide."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from segx.errors import ModelError, ScanError
from segx.geometry import Extent, Region
from segx.inference.blank import blank_map
from segx.inference.cleaned import clean_mask
from segx.inference.members import Members
from segx.inference.plan import TilePlan
from segx.inference.tiled import (
    Read,
    Run,
    background,
    predict_bands,
    predict_image,
    resize_probabilities,
)
from segx.labels import Labels
from segx.masks.calibration import Calibration
from segx.masks.decide import decide
from segx.scans.channel_files import open_channels
from segx.scans.intensity import Intensity
from segx.scans.interest import Interest, open_interest
from segx.scans.memory import ArrayScan
from segx.scans.neighbours import read_with_neighbours
from segx.scans.resize import resize_image
from segx.scans.resolution import at_resolution
from segx.scans.scan import Scan
from segx.spec import ModelSpec

__all__ = ["Band", "Image", "Place", "Predictor", "Working"]

logger = logging.getLogger(__name__)

Image = str | Path | tuple[Path, ...] | NDArray[Any]
"""A file, files that hold a channel each, or an array (rows, cols[, channels])."""


IsEmpty = Callable[[Region], bool]
"""Tells tiles that hold nothing to be found."""


class Place(NamedTuple):
    """Where a band begins."""

    plane: int
    row: int


_BEGINNING = Place(0, 0)


class Working(NamedTuple):
    """The resolution that scans are predicted at; see `at_resolution`.

    Args:
        level: Number of the pyramid's level, from 0.
        mpp: Micrometres a pixel.
        pixel_mm: Height and width of the full resolution's pixels, for scans that do
            not tell them.
    """

    level: int | None = None
    mpp: float | None = None
    pixel_mm: tuple[float, float] | None = None


# Engines are compared on the middle of so many of so many tiles of a scan.
_CHECKED = 2
_CANDIDATES = 8
_CHECKED_SIDE = 512
_AGREEMENT = " (agrees with float32 on {:.2%} of the pixels tried)"


class Band(NamedTuple):
    """Finished rows of a plane.

    Args:
        plane: Number of the plane, from 0.
        region: Where the rows lie; they reach over the scan's full width.
        probabilities: In [0, 1], shape (classes, rows, cols).
        dissent: Share of members and views that decide otherwise than their mean, shape
            (rows, cols); None where there is one of both.
    """

    plane: int
    region: Region
    probabilities: NDArray[np.float32]
    dissent: NDArray[np.float32] | None = None


class Predictor:
    """Makes masks of scans of any size; nothing but the model and the scan is needed.

    `segx.load` makes one of a trained model.

    Args:
        members: The networks, usually one.
        plan: How scans are cut; None takes the model's own plan.
        skip_blank: Spare the network what shows nothing, see `blank_map`.
        working: The resolution that files are predicted at; None for the full one.
        interest: A mask or polygons, or a folder of them: what lies outside is
            background, and the network is spared tiles there; see `open_interest`.
    """

    def __init__(
        self,
        members: Members,
        *,
        plan: TilePlan | None = None,
        skip_blank: bool = False,
        working: Working | None = None,
        interest: Path | None = None,
    ) -> None:
        self.members = members
        self.plan = plan or TilePlan.from_config(members.spec.inference)
        self.skip_blank = skip_blank
        self.working = working or Working()
        self.interest = interest
        self._is_settled = False

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self.members.spec

    @property
    def labels(self) -> Labels:
        """What the masks' values mean.

        Raises:
            ModelError: If the model is a classifier.
        """
        if self.spec.labels is None:
            raise ModelError(
                f"{self._source} classifies images; it makes no masks. Use classify."
            )
        return self.spec.labels

    def calibrated(self, calibration: Calibration | None) -> Self:
        """The same predictor, as sure as another calibration says; None: untempered."""
        other = copy(self)
        other.members = self.members.calibrated(calibration)
        return other

    def open(self, *paths: Path) -> Scan:
        """Open a scan, from one file or a file a channel, at the working resolution."""
        scan = open_channels(paths, axis=self.spec.axis)
        return at_resolution(scan, **self.working._asdict())

    def predict(
        self, image: Image, *, on_band: Callable[[Band], None] | None = None
    ) -> NDArray[np.uint8]:
        """Predict the mask of a file or an array.

        Args:
            image: What to predict.
            on_band: Called with the probabilities of each band, as they are finished.

        Returns:
            Ids, shape (rows, cols); of a volume (planes, rows, cols). For multilabel
            masks 0 and 1, with a last axis for the classes.
        """
        with self._as_scan(image) as scan:
            planes: list[list[NDArray[np.uint8]]] = [[] for _ in range(scan.planes)]
            for band in self.predict_probabilities(scan):
                planes[band.plane].append(decide(band.probabilities, self.labels))
                if on_band is not None:
                    on_band(band)
            mask = np.stack([np.concatenate(bands) for bands in planes])
            if self.spec.cleaning.changes:
                clean_mask(
                    mask,
                    scan,
                    spec=self.spec,
                    labels=self.labels,
                    interest=self.interest,
                    out=mask,
                )
        return mask if len(mask) > 1 else mask[0]

    def predict_probabilities(
        self, scan: Scan, *, start: Place = _BEGINNING
    ) -> Iterator[Band]:
        """Predict a scan in bands of full width, as they are finished.

        Args:
            scan: The scan.
            start: Where to begin; a place that `resume` gave.

        Yields:
            Bands that together cover each plane once, from the top, in order.
        """
        self.settle(scan)
        scales = self.members.scales_of(scan)
        with self._interest(scan) as interest:
            for plane in range(start.plane, scan.planes):
                first_row = start.row if plane == start.plane else 0
                read = partial(self._normalised, scan, scales, plane)
                if self.spec.resize is not None:
                    bands = self._whole(scan, read)
                else:
                    is_empty = self._emptiness(scan, plane, interest)
                    bands = self._bands(scan, read, is_empty, first_row)
                for region, band in bands:
                    if interest is not None:
                        outside = ~interest.inside(region, plane=plane)
                        band[:, outside] = background(
                            self.labels, Extent(1, 1), extra=self._extra
                        )[..., 0]
                    classes = self.labels.logits
                    dissent = band[classes] if len(band) > classes else None
                    yield Band(plane, region, band[:classes], dissent)

    def settle(self, scan: Scan, *, engines: Sequence[str] | None = None) -> None:
        """Choose between fast engines and float32, once.

        An engine that decides more than `PARITY_LIMIT` of the pixels of a few tiles
        otherwise than float32 is given up, and that is said.

        Args:
            scan: The scan that tiles are taken from.
            engines: What an earlier call settled on, as `Members.engines` said; these
                are taken again, unseen.
        """
        if self._is_settled:
            return
        agreed = None
        if engines is None:
            agreed = self.members.check(self._examples(scan))
        else:
            self.members.take(engines)
        self._is_settled = True  # only now: a damaged scan settles nothing
        tried = "" if agreed is None else _AGREEMENT.format(agreed)
        logger.info("Engine: %s%s", self.members.about, tried)

    def resume(self, scan: Scan, *, rows: int) -> Place:
        """The last place at which a band begins, once so many rows are finished.

        Args:
            scan: The scan.
            rows: Finished rows, counted over all planes.
        """
        plane, row = divmod(rows, scan.extent.rows)
        if self.spec.resize is not None:
            return Place(plane, 0)
        tops = {tile.top for tile in self.plan.tiling(scan.extent).tiles}
        return Place(plane, max(top for top in tops if top <= row))

    def classify(self, image: Image) -> NDArray[np.float32]:
        """Probabilities of the classes that a whole image may belong to.

        Returns:
            Shape (classes,), in the order of ``spec.class_names``; they sum to 1 unless
            an image may be of several classes. The mean over the members.

        Raises:
            ModelError: If the model tells no classes.
            ScanError: If the image is a volume.
        """
        with self._as_scan(image) as scan:
            return self.classify_scan(scan)

    def classify_scan(self, scan: Scan) -> NDArray[np.float32]:
        """Probabilities of the classes of an open scan; see `classify`."""
        if self.spec.labels is None:  # else the engine that is settled makes masks
            self.settle(scan)
        images = self.whole(scan)[np.newaxis]
        found: NDArray[np.float32] = self.members.classes(images)[0]
        return found

    def whole(self, scan: Scan) -> NDArray[np.float32]:
        """A scan of one plane as `Members.classes` takes it, (channels, rows, cols).

        Raises:
            ScanError: If it has more planes.
        """
        if scan.planes > 1:
            raise ScanError(
                f"{scan.path} has {scan.planes} planes, and classification takes "
                "single images. Save the plane that tells the class as an image."
            )
        scales = self.members.scales_of(scan)
        return self._normalised(scan, scales, 0, Region.whole(scan.extent))

    def pixels(self, scan: Scan, plane: int, region: Region) -> NDArray[Any]:
        """Stored values, (rows, cols, channels), with the channels the model reads."""
        neighbours = self.spec.neighbours
        return read_with_neighbours(
            scan,
            region,
            plane=plane,
            neighbours=neighbours,
            channels=self.spec.plane_channels,
        )

    @property
    def _run(self) -> Run:
        """The network; where several answers are averaged, with their dissent."""
        members = self.members
        return members.probabilities if members.count == 1 else members.opinions

    @property
    def _extra(self) -> int:
        """Channels that `_run` gives behind the classes."""
        return 0 if self.members.count == 1 else 1

    def _bands(
        self, scan: Scan, read: Read, is_empty: IsEmpty | None, first_row: int
    ) -> Iterator[tuple[Region, NDArray[np.float32]]]:
        return predict_bands(
            self._run,
            read,
            scan.extent,
            labels=self.labels,
            plan=self.plan,
            is_empty=is_empty,
            first_row=first_row,
            extra=self._extra,
        )

    def _whole(
        self, scan: Scan, read: Read
    ) -> Iterator[tuple[Region, NDArray[np.float32]]]:
        """A plane that is given the size that the model was trained with."""
        whole = Region.whole(scan.extent)
        small = predict_image(
            self._run, read(whole), labels=self.labels, plan=self.plan
        )
        yield whole, resize_probabilities(small, scan.extent)

    def _interest(self, scan: Scan) -> AbstractContextManager[Interest | None]:
        if self.interest is None:
            return nullcontext()
        return open_interest(self.interest, like=scan, axis=self.spec.axis)

    def _emptiness(
        self, scan: Scan, plane: int, interest: Interest | None
    ) -> IsEmpty | None:
        """What tells tiles that the network is spared; None if it sees all of them."""
        tests: list[IsEmpty] = []
        if interest is not None:
            tests.append(partial(interest.is_outside, scan=scan, plane=plane))
        if self.skip_blank:
            found = blank_map(scan, plane=plane)
            logger.info("%s: %.0f %% blank", scan.path.name, 100 * found.share)
            tests.append(found)
        if not tests:
            return None
        return lambda region: any(test(region) for test in tests)

    def _normalised(
        self, scan: Scan, scales: Sequence[Intensity], plane: int, region: Region
    ) -> NDArray[np.float32]:
        """A region as the network reads it, (channels, rows, cols)."""
        pixels = self.pixels(scan, plane, region)
        if self.spec.resize is not None:
            pixels = resize_image(pixels, Extent(*self.spec.resize))
        return self.members.normalise(pixels, scales, source=scan.path)

    def _examples(self, scan: Scan) -> NDArray[np.float32]:
        """The tiles of a scan, of a few, that show most; blank ones agree anyhow."""
        plane = scan.planes // 2
        parts = [Region.whole(scan.extent)]
        if self.spec.resize is None and self.spec.labels is not None:
            tiles = self.plan.tiling(scan.extent).tiles
            step = -(-len(tiles) // _CANDIDATES)
            parts = [_middle(tile, scan.extent) for tile in tiles[step // 2 :: step]]
        scales = self.members.scales_of(scan)
        images = [self._normalised(scan, scales, plane, part) for part in parts]
        images.sort(key=lambda image: -float(image.std()))
        return np.stack(images[:_CHECKED])

    def _as_scan(self, image: Image) -> Scan:
        if isinstance(image, np.ndarray):
            return ArrayScan(image)
        return self.open(*image) if isinstance(image, tuple) else self.open(Path(image))

    @property
    def _source(self) -> Path:
        return self.members.members[0].source


def _middle(tile: Region, scan: Extent) -> Region:
    """The middle of a tile, of at most 512x512 px of the scan."""
    part = tile.within(scan)
    rows, cols = min(_CHECKED_SIDE, part.rows), min(_CHECKED_SIDE, part.cols)
    top, left = (part.rows - rows) // 2, (part.cols - cols) // 2
    return Region(part.top + top, part.left + left, rows, cols)
