"""What was found in one scan and how: the JSON beside its mask or boxes."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import segx
from segx.atomic import write_text
from segx.geometry import Extent
from segx.inference.confidence import Confidence
from segx.inference.plan import TilePlan
from segx.labels import Labels
from segx.scans.damage import reading, writing
from segx.scans.scan import Scan

__all__ = [
    "BoxCount",
    "BoxSummary",
    "ClassCount",
    "Method",
    "PixelCounter",
    "RegionCount",
    "ScanSummary",
    "pixel_size",
    "read_confidence",
    "summarise_scan",
    "write_summary",
]


@dataclass(frozen=True, slots=True)
class ClassCount:
    """How much of a scan belongs to one class.

    Args:
        name: Name of the class.
        pixels: Number of pixels, or of voxels.
        share: Their share of all pixels, 0 … 1.
        area_mm2: Their area; None for volumes, or where the pixels' size is unknown.
        volume_mm3: Their volume; None for single planes, or where it is unknown.
        components: Number of connected components; None where nothing was cleaned.
        expected_pixels: Sum of the class's probability over all pixels: what `pixels`
            would be on average, were the probabilities true.
        share_of_region: Their share of the pixels in the region; None where none was
            given.
    """

    name: str
    pixels: int
    share: float
    area_mm2: float | None
    volume_mm3: float | None
    components: int | None
    expected_pixels: float
    share_of_region: float | None = None


@dataclass(frozen=True, slots=True)
class RegionCount:
    """Where the prediction was wanted; all else is background.

    Args:
        file: Name of the mask or of the polygons.
        sha256: Its digest; None for one that is a folder.
        pixels: Number of pixels, or of voxels, that lie inside.
    """

    file: str
    sha256: str | None
    pixels: int


@dataclass(frozen=True, slots=True)
class Method:
    """How a mask or boxes were made: all that they depend on.

    The number of tiles that run at once is left out, for nothing depends on it; so is
    the time, for the same mask shall have the same bytes beside it.

    Args:
        model: Where the model was loaded from.
        model_sha256: Digest of its weights.
        config_sha256: Digest of what it was told.
        runtime: Engine, device and precision, as `Runtime.about` says.
        tile: Rows and columns of a tile, in pixels.
        overlap_px: Least rows and columns that neighbouring tiles shared.
        blend: How a pixel's weight falls towards a tile's border; None for boxes.
        segx: Version of segx.
        cleaning: What was mended in the whole mask, as the config's key of that name
            has it; None if nothing was.
    """

    model: str
    model_sha256: str
    config_sha256: str
    runtime: str
    tile: tuple[int, int]
    overlap_px: tuple[int, int]
    blend: str | None
    segx: str
    cleaning: dict[str, Any] | None = None

    @classmethod
    def of(
        cls,
        plan: TilePlan,
        extent: Extent,
        *,
        model: str,
        model_sha256: str,
        config_sha256: str,
        runtime: str,
        cleaning: dict[str, Any] | None = None,
    ) -> "Method":
        """Note how a scan of that size was cut, and this version of segx."""
        tile = plan.tile_for(extent)
        return cls(
            model=model,
            model_sha256=model_sha256,
            config_sha256=config_sha256,
            runtime=runtime,
            tile=(tile.rows, tile.cols),
            overlap_px=(plan.overlap_px(tile.rows), plan.overlap_px(tile.cols)),
            blend=plan.blend,
            segx=segx.__version__,
            cleaning=cleaning,
        )


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """The mask of one scan in numbers.

    Args:
        scan: Name of the file, without its folder.
        planes: Number of planes.
        rows: Rows of a plane, in pixels.
        cols: Columns of a plane, in pixels.
        spacing_mm: Distance of rows and columns, of volumes that of planes first; None
            where the file is silent.
        classes: One count a foreground class.
        confidence: How far the mask can be trusted.
        method: How the mask was made.
        region: Where the prediction was wanted; None if everywhere.
        probabilities: Of each class of the whole image; None where none are told.
    """

    scan: str
    planes: int
    rows: int
    cols: int
    spacing_mm: tuple[float, ...] | None
    classes: tuple[ClassCount, ...]
    confidence: Confidence
    method: Method
    region: RegionCount | None = None
    probabilities: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class BoxCount:
    """How many objects of one class were found.

    Args:
        name: Name of the class.
        boxes: Number of objects.
        mean_score: Mean of their scores; None if there are none.
    """

    name: str
    boxes: int
    mean_score: float | None


@dataclass(frozen=True, slots=True)
class BoxSummary:
    """The objects of one scan in numbers.

    Args:
        scan: Name of the file, without its folder.
        rows: Rows, in pixels.
        cols: Columns, in pixels.
        spacing_mm: Distance of rows and columns; None where the file is silent.
        boxes: Number of objects of all classes.
        classes: One count a class.
        score_threshold: Least score of what was kept.
        method: How the boxes were found.
    """

    scan: str
    rows: int
    cols: int
    spacing_mm: tuple[float, ...] | None
    boxes: int
    classes: tuple[BoxCount, ...]
    score_threshold: float
    method: Method


class PixelCounter:
    """Counts the pixels of each class, band by band.

    Args:
        labels: What the mask's values mean.

    Examples:
        >>> counter = PixelCounter(Labels("binary", ("background", "cell")))
        >>> counter.add(np.array([[0, 1, 1]], np.uint8))
        >>> counter.pixels
        (2,)
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._counts = np.zeros(len(labels.names), np.int64)

    def add(self, mask: NDArray[np.uint8]) -> None:
        """Take a band: ids, (rows, cols), or 0 and 1, (rows, cols, classes)."""
        if self._labels.kind == "multilabel":
            self._counts += np.count_nonzero(mask, axis=(0, 1))
        else:
            self._counts += np.bincount(mask.ravel(), minlength=len(self._counts))

    @property
    def pixels(self) -> tuple[int, ...]:
        """Number of pixels of each of `labels.foreground`."""
        return tuple(self._counts[-len(self._labels.foreground) :].tolist())


def pixel_size(scan: Scan) -> float | None:
    """mm² of a pixel, or mm³ of a voxel where there are several planes.

    Returns:
        None where the scan does not say.
    """
    if scan.planes > 1:
        return None if scan.space is None else scan.space.voxel_mm3
    return None if scan.spacing_mm is None else math.prod(scan.spacing_mm)


def summarise_scan(
    scan: Scan,
    method: Method,
    *,
    labels: Labels,
    pixels: Sequence[int],
    expected: Sequence[float],
    confidence: Confidence,
    components: Sequence[int] | None = None,
    region: RegionCount | None = None,
    probabilities: dict[str, float] | None = None,
) -> ScanSummary:
    """Put together what is known of a scan's mask.

    Args:
        scan: The scan, of the mask's size.
        method: How the mask was made.
        labels: What the mask's values mean.
        pixels: Number of pixels of each of `labels.foreground`, as `PixelCounter` has
            it.
        expected: Sum of each one's probability, as `expected_pixels` has it.
        confidence: How far the mask can be trusted.
        components: Number of components of each, as `clean` gives it.
        region: Where the prediction was wanted, if not everywhere.
        probabilities: Of each class of the whole image.
    """
    size, total = pixel_size(scan), scan.extent.pixels * scan.planes
    counts: Sequence[int | None] = components or [None] * len(pixels)
    classes = []
    columns = (labels.foreground, pixels, counts, expected)
    for name, number, parts, mass in zip(*columns, strict=True):
        measure = None if size is None else number * size
        is_volume = scan.planes > 1
        classes.append(
            ClassCount(
                name=name,
                pixels=number,
                share=number / total,
                area_mm2=None if is_volume else measure,
                volume_mm3=measure if is_volume else None,
                components=parts,
                expected_pixels=mass,
                share_of_region=None if region is None else number / region.pixels,
            )
        )
    spacing = scan.spacing_mm if scan.space is None else scan.space.spacing_mm
    return ScanSummary(
        scan=scan.path.name,
        planes=scan.planes,
        rows=scan.extent.rows,
        cols=scan.extent.cols,
        spacing_mm=spacing,
        classes=tuple(classes),
        confidence=confidence,
        method=method,
        region=region,
        probabilities=probabilities,
    )


def write_summary(path: Path, summary: ScanSummary | BoxSummary) -> None:
    """Write a summary as strict JSON, whole or not at all; the same one, same bytes.

    Raises:
        ScanError: If the file can't be written.
    """
    with writing(path):
        text = json.dumps(asdict(summary), indent=2, allow_nan=False)
        write_text(path, text + "\n")


def read_confidence(path: Path) -> Confidence:
    """Read back from a summary how far its mask can be trusted.

    Raises:
        ScanError: If the file is not as `write_summary` wrote it.
    """
    with reading(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        return Confidence(**content["confidence"])
