"""Truth against prediction, case by case: rows, and what is pooled over all cases."""

import logging
import math
from collections.abc import Iterable, Iterator
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.errors import ConfigError, DataError
from segx.evaluation.cases import CaseRow, Distances, Size, SizeUnit, write_cases
from segx.evaluation.confusion import Confusion
from segx.evaluation.provenance import Provenance
from segx.evaluation.report import Look, Sketch, sketch, write_report
from segx.evaluation.summary import Summary, summarise
from segx.evaluation.summary_file import write_summary
from segx.labels import Labels
from segx.metrics.calibration import BINS, Reliability, bin_sums
from segx.metrics.overlap import class_masks, counts_of, overlap_table
from segx.metrics.surface import LengthUnit, compare_surfaces
from segx.scans.scan import Scan

__all__ = ["MaskEvaluation", "common_unit", "spacing_of"]

_logger = logging.getLogger(__name__)

Spacing = tuple[float, ...]

_SIZE_UNITS: dict[int, SizeUnit] = {2: "mm2", 3: "mm3"}


class MaskEvaluation:
    """Collects one case after another.

    Args:
        labels: What the masks mean.
        unit: Of distances, the same in all cases; see `common_unit`.
        tolerance: Distance up to which surfaces agree, in `unit`; None leaves the
            surface Dice out.

    Raises:
        ConfigError: If the tolerance is no length.
    """

    def __init__(
        self, labels: Labels, *, unit: LengthUnit, tolerance: float | None = None
    ) -> None:
        if tolerance is not None and not 0 < tolerance < math.inf:
            raise ConfigError(
                f"A tolerance of {tolerance:g} {unit} was given; allowed are lengths "
                "above 0."
            )
        self.labels = labels
        self.unit = unit
        self.tolerance = tolerance
        self.rows: list[CaseRow] = []
        self.sketches: list[Sketch] = []
        count = len(labels.names)
        shape = (count, 2, 2) if labels.kind == "multilabel" else (count, count)
        self._table = np.zeros(shape, np.int64)
        self._bins: dict[str, NDArray[np.float64]] = {}

    def add(
        self,
        case: str,
        truth: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
        *,
        patient: str | None = None,
        spacing_mm: Spacing | None = None,
        image: Path | None = None,
    ) -> None:
        """Compare the masks of one whole case.

        Args:
            case: Its name.
            truth: Ids, (rows, cols) or (planes, rows, cols); for multilabel masks 0
                and 1, with a last axis for the classes.
            predicted: The same shape.
            patient: Whom it is of; None if unknown.
            spacing_mm: Distance of neighbours along each axis; None if unknown.
            image: What the masks are of, to be shown in the report; None if unknown.

        Raises:
            DataError: If the shapes differ or a value is no class.
        """
        table = _table_of(truth, predicted, self.labels)
        self._table += table
        pixel = Size(1, "px")
        if spacing_mm is not None:
            pixel = Size(math.prod(spacing_mm), _SIZE_UNITS[len(spacing_mm)])
        counts = counts_of(table, self.labels)
        surfaces = self._surfaces(truth, predicted, spacing_mm)
        for (name, count), distances in zip(counts.items(), surfaces, strict=True):
            size = Size((count.tp + count.fn) * pixel.value, pixel.unit)
            self.rows.append(CaseRow(case, patient, name, count, distances, size))
        kept = sketch(case, truth, predicted, labels=self.labels, image=image)
        self.sketches.append(kept)

    def add_probabilities(
        self, truth: NDArray[np.uint8], probabilities: NDArray[np.float32]
    ) -> None:
        """Bin the probabilities of some rows of a case, for the reliability.

        Args:
            truth: Ids of the rows, (rows, cols); for multilabel masks (rows, cols, K).
            probabilities: (classes, rows, cols); for binary masks of the class alone.
        """
        first = 1 if self.labels.kind == "multiclass" else 0
        ids = range(first, len(probabilities))
        for name, index in zip(self.labels.foreground, ids, strict=True):
            plane, wanted = truth, 1 if self.labels.kind == "binary" else index
            if self.labels.kind == "multilabel":
                plane, wanted = truth[..., index], 1
            counted = plane != self.labels.ignore_index
            sums = bin_sums(plane[counted] == wanted, probabilities[index][counted])
            self._bins[name] = self._bins.get(name, np.zeros((BINS, 3))) + sums

    def summarise(self, *, provenance: Provenance | None = None) -> Summary:
        """Aggregate the cases that came."""
        is_exclusive = self.labels.kind != "multilabel"
        return summarise(
            self.rows,
            confusion=Confusion.of(self.labels.names, self._table)
            if is_exclusive
            else None,
            reliability={
                name: Reliability.of_sums(sums) for name, sums in self._bins.items()
            },
            provenance=provenance,
        )

    def write(
        self,
        out: Path,
        *,
        provenance: Provenance | None = None,
        look: Look | None = None,
    ) -> Summary:
        """Write cases.csv, summary.json and report.html into a folder.

        Args:
            out: The folder.
            provenance: How the numbers came about.
            look: How the report shows images.
        """
        summary = self.summarise(provenance=provenance)
        write_cases(out / "cases.csv", self.rows)
        write_summary(out / "summary.json", summary)
        write_report(
            out / "report.html",
            summary,
            self.rows,
            labels=self.labels,
            sketches=self.sketches,
            look=look,
        )
        return summary

    def _surfaces(
        self,
        truth: NDArray[np.uint8],
        predicted: NDArray[np.uint8],
        spacing_mm: Spacing | None,
    ) -> Iterator[Distances]:
        """Distances of each foreground class."""
        axes = truth.ndim - (self.labels.kind == "multilabel")
        spacing = spacing_mm if self.unit == "mm" else (1.0,) * axes
        if spacing is None:
            raise DataError(
                "Distances are asked for in mm, but the size of a pixel is unknown."
            )
        for real, named in class_masks(truth, predicted, self.labels):
            found = compare_surfaces(
                real, named, spacing=spacing, tolerance=self.tolerance
            )
            yield Distances(found.hd95, found.nsd, self.tolerance, self.unit)


def spacing_of(scan: Scan) -> Spacing | None:
    """Distance of neighbouring pixels in mm, along each axis of a mask of the scan.

    Returns:
        Two numbers for an image, three for a volume; None where the file is silent.
    """
    if scan.planes > 1:
        return None if scan.space is None else scan.space.spacing_mm
    return scan.spacing_mm


def common_unit(spacings: Iterable[Spacing | None]) -> LengthUnit:
    """Mm if every case tells how large its pixels are; else px for all, which is said.

    Units are not mixed: one median or one tolerance can't stand for both.
    """
    known = [spacing is not None for spacing in spacings]
    if all(known):
        return "mm"
    if any(known):
        _logger.warning(
            "%d of %d cases do not tell the size of a pixel: distances of all are in "
            "pixels.",
            len(known) - sum(known),
            len(known),
        )
    return "px"


def _table_of(
    truth: NDArray[np.uint8], predicted: NDArray[np.uint8], labels: Labels
) -> NDArray[np.int64]:
    """Overlaps of an image, or of all planes of a volume together."""
    of_plane = 3 if labels.kind == "multilabel" else 2
    if truth.shape != predicted.shape or truth.ndim == of_plane:
        return overlap_table(truth, predicted, labels)
    pairs = zip(truth, predicted, strict=True)
    return reduce(add, (overlap_table(*pair, labels) for pair in pairs))
