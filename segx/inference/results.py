"""From finished rows to the files of one scan: mask, overlay, polygons, numbers."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.atomic import sha256
from segx.geometry import Region
from segx.inference.cleaned import clean_mask
from segx.inference.confidence import Confidence, expected_pixels
from segx.inference.outputs import OutputPlan, PredictedFile, Wanted
from segx.inference.predictor import Predictor
from segx.inference.sketch import Sketch
from segx.inference.spool import Spool
from segx.inference.summary import (
    Method,
    PixelCounter,
    RegionCount,
    summarise_scan,
    write_summary,
)
from segx.labels import Labels
from segx.masks.uncertainty import entropy
from segx.scans.channels import match_channels
from segx.scans.damage import reading
from segx.scans.files import create_mask, mask_files
from segx.scans.interest import interest_file, open_interest
from segx.scans.overlay import write_png
from segx.scans.polygons import Polygons
from segx.scans.scan import Scan
from segx.scans.sink import MaskSink
from segx.scans.value_tiff import write_values

__all__ = [
    "Finished",
    "Spools",
    "refuse_unwritable",
    "result_files",
    "write_results",
]

# Rows that are read from a spool at once.
_BLOCK_ROWS = 512


@dataclass(frozen=True)
class Spools:
    """The finished rows of a scan.

    Args:
        mask: Ids, or layers, as they were decided.
        sums: What `sum_rows` gives.
        maps: Probabilities, where they are wanted.
    """

    mask: Spool
    sums: Spool
    maps: Spool | None

    def __iter__(self) -> Iterator[Spool]:
        yield self.mask
        yield self.sums
        if self.maps is not None:
            yield self.maps

    @property
    def rows(self) -> int:
        """Number of rows that are finished in all of them."""
        return min(spool.rows for spool in self)


@dataclass(frozen=True)
class Finished:
    """A scan all of whose rows are finished.

    Args:
        scan: The scan.
        rows: The rows.
        room: Where a further spool may be made.
    """

    scan: Scan
    rows: Spools
    room: Path


def result_files(
    plan: OutputPlan, wanted: Wanted, predictor: Predictor, *, is_new: bool = True
) -> PredictedFile:
    """The files that `write_results` makes."""
    extras = {
        plan.summary: True,
        plan.polygons: wanted.polygons,
        plan.probabilities: wanted.probabilities,
        plan.uncertainty: wanted.uncertainty,
    }
    return PredictedFile(
        mask_files(plan.mask, predictor.labels),
        plan.overlay if wanted.overlay else None,
        tuple(path for path, is_wanted in extras.items() if is_wanted),
        is_new,
    )


def refuse_unwritable(
    scan: Scan, plan: OutputPlan, wanted: Wanted, *, labels: Labels
) -> None:
    """Refuse a scan whose mask or polygons can't be written, before it is predicted.

    Raises:
        ScanError: If a format can't hold them, or the folder can't be written to.
    """
    for sink in _sinks(scan, plan, wanted, labels=labels):
        sink.abort()


def write_results(
    finished: Finished,
    plan: OutputPlan,
    wanted: Wanted,
    *,
    predictor: Predictor,
    method: Method,
) -> None:
    """Clean the mask as the model says, and write all that is wanted.

    Args:
        finished: The scan.
        plan: Where to.
        wanted: What beside the mask.
        predictor: What predicted it.
        method: How, for the summary.
    """
    scan, rows, labels = finished.scan, finished.rows, predictor.labels
    mask, components = rows.mask, None
    if predictor.spec.cleaning.changes:
        mask = Spool(finished.room, row_shape=mask.row_shape, dtype=np.uint8)
        mask.resize(rows.mask.rows)
        components = clean_mask(
            rows.mask.planes(scan.planes),
            scan,
            spec=predictor.spec,
            labels=labels,
            interest=predictor.interest,
            out=mask.planes(scan.planes),
        )
    pixels = _write_mask(scan, mask, plan, wanted, predictor=predictor)
    if wanted.overlay:
        write_png(plan.overlay, _overlay(scan, mask, predictor))
    if rows.maps is not None:
        _write_maps(scan, rows.maps, plan, wanted, predictor=predictor)
    sums = _total(rows.sums)
    summary = summarise_scan(
        scan,
        method,
        labels=labels,
        pixels=pixels,
        expected=expected_pixels(sums),
        confidence=Confidence.of(
            sums,
            has_dissent=predictor.members.count > 1,
            calibration=predictor.spec.calibration,
        ),
        components=components,
        region=_region(scan, predictor.interest, axis=predictor.spec.axis),
        probabilities=_probabilities(scan, predictor),
    )
    write_summary(plan.summary, summary)
    if mask is not rows.mask:
        mask.remove()


def _region(scan: Scan, interest: Path | None, *, axis: int) -> RegionCount | None:
    """How much of the scan was wanted, and where that stands."""
    if interest is None:
        return None
    file = interest_file(interest, like=scan)
    with open_interest(interest, like=scan, axis=axis) as opened, reading(file):
        digest = None if file.is_dir() else sha256(file)
        return RegionCount(file.name, digest, opened.pixels_of(scan))


def _probabilities(scan: Scan, predictor: Predictor) -> dict[str, float] | None:
    """What a model of both tasks says of the whole image."""
    names = predictor.spec.class_names
    if names is None:
        return None
    found = predictor.classify_scan(scan).astype(float).tolist()
    return dict(zip(names, found, strict=True))


def _write_mask(
    scan: Scan, mask: Spool, plan: OutputPlan, wanted: Wanted, *, predictor: Predictor
) -> tuple[int, ...]:
    """Write the mask and its polygons; return the pixels of each class."""
    labels = predictor.labels
    counter = PixelCounter(labels)
    with ExitStack() as opened:
        wished = _sinks(scan, plan, wanted, labels=labels)
        sinks = [opened.enter_context(sink) for sink in wished]
        for plane in range(scan.planes):
            for region in _blocks(scan):
                ids = _rows_of(mask, scan, plane, region)
                counter.add(ids)
                for sink in sinks:
                    sink.write(region, ids, plane=plane)
    return counter.pixels


def _sinks(
    scan: Scan, plan: OutputPlan, wanted: Wanted, *, labels: Labels
) -> Iterator[MaskSink]:
    """What the mask is written to, one opened after the other."""
    yield create_mask(plan.mask, like=scan, labels=labels)
    if wanted.polygons:
        scale = scan.level0_scale
        yield Polygons(plan.polygons, like=scan, labels=labels, scale=scale)


def _total(sums: Spool) -> NDArray[np.float64]:
    """The sums over all rows, always added up in the same order."""
    total = np.zeros(sums.row_shape)
    for first in range(0, sums.rows, _BLOCK_ROWS):
        total += sums.read(first, _BLOCK_ROWS).sum(axis=0)
    return total


def _overlay(scan: Scan, mask: Spool, predictor: Predictor) -> NDArray[np.uint8]:
    """The plane in the middle with its mask."""
    middle = scan.planes // 2
    neighbours = predictor.spec.neighbours
    intensity = predictor.members.scales_of(scan)[0].of_middle(neighbours)
    sketch = Sketch(scan.extent, labels=predictor.labels, intensity=intensity)
    for region in _blocks(scan):
        pixels = scan.read(region, plane=middle)
        shown = match_channels(pixels, intensity.channels, source=scan.path)
        sketch.add(region, shown, _rows_of(mask, scan, middle, region))
    return sketch.draw()


def _write_maps(
    scan: Scan, maps: Spool, plan: OutputPlan, wanted: Wanted, *, predictor: Predictor
) -> None:
    labels = predictor.labels
    names = labels.foreground if labels.kind == "binary" else labels.names

    def uncertainty(first: int, count: int) -> NDArray[np.float32]:
        values = np.moveaxis(maps.read(first, count), 2, 0).astype(np.float32)
        return entropy(values, labels)[..., np.newaxis]

    if wanted.probabilities:
        write_values(plan.probabilities, maps.read, like=scan, names=names)
    if wanted.uncertainty:
        write_values(plan.uncertainty, uncertainty, like=scan, names=("uncertainty",))


def _blocks(scan: Scan) -> Iterator[Region]:
    """Blocks of rows of full width that cover a plane, from the top."""
    extent = scan.extent
    for top in range(0, extent.rows, _BLOCK_ROWS):
        yield Region(top, 0, min(_BLOCK_ROWS, extent.rows - top), extent.cols)


def _rows_of(mask: Spool, scan: Scan, plane: int, region: Region) -> NDArray[np.uint8]:
    """A block of a plane of the mask."""
    return mask.read(plane * scan.extent.rows + region.top, region.rows)
