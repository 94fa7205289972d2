"""Scans become boxes in files: found once, resumed where it stopped, written whole."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from segx.atomic import sweep
from segx.boxes import Detections
from segx.errors import SegxError
from segx.geometry import Tile
from segx.inference.box_files import (
    summarise_boxes,
    write_box_overlay,
    write_coco,
    write_rectangles,
)
from segx.inference.box_spool import BoxSpool
from segx.inference.detect import BoxPredictor
from segx.inference.failures import Failures
from segx.inference.journal import Journal
from segx.inference.outputs import (
    Outcome,
    OutputPlan,
    PredictedFile,
    Wanted,
    plan_outputs,
    prepare_folder,
)
from segx.inference.summary import Method, write_summary
from segx.inference.writer import OnRows
from segx.scans.damage import writing
from segx.scans.files import scan_files
from segx.scans.scan import Scan

__all__ = ["detect_files"]

logger = logging.getLogger(__name__)


def detect_files(
    predictor: BoxPredictor,
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    wanted: Wanted | None = None,
    on_rows: OnRows | None = None,
    on_done: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Find the objects of files and folders; one that fails does not stop the others.

    A scan whose outputs are there already, of the same bytes by the same model, is
    passed over; one that was interrupted goes on behind its last finished tiles.

    Args:
        predictor: The model.
        paths: Images, and folders of images.
        out: Folder for the boxes; it is made where it is missing.
        wanted: What is written beside them: an overlay, and polygons.
        on_rows: Called after each batch of tiles.
        on_done: Called after each scan, in order.

    Returns:
        One outcome a scan, in order; failures are logged, too.

    Raises:
        ScanError: Before anything is predicted: if a path is missing or no image, or
            two outputs would have the same name.
    """
    folder = prepare_folder(Path(out))
    sources = scan_files(Path(path) for path in paths)
    plans = plan_outputs(sources, folder, labels=None)
    work = _Work(predictor, folder, wanted or Wanted(), on_rows)
    work.warn_of_others(sources)
    failures = Failures()
    outcomes: list[Outcome] = []
    for source, plan in plans.items():
        try:
            outcome = Outcome(source, work.do(source, plan), None)
        except SegxError as error:
            failures.add(source, error)
            outcome = Outcome(source, None, error)
        outcomes.append(outcome)
        if on_done is not None:
            on_done(outcome)
    failures.tell_rest()
    return outcomes


class _Work:
    """Finds and writes the boxes of scans, one by one."""

    def __init__(
        self,
        predictor: BoxPredictor,
        out: Path,
        wanted: Wanted,
        on_rows: OnRows | None,
    ) -> None:
        self._predictor = predictor
        self._out = out
        self._wanted = wanted
        self._on_rows = on_rows
        settings = {**predictor.settings, "wanted": asdict(wanted)}
        self._journal = Journal(out, settings=settings)

    def warn_of_others(self, sources: Iterable[Path]) -> None:
        """Say of how many scans the boxes that are there will give way to new ones."""
        others = sum(self._journal.is_of_others(source) for source in sources)
        if others:
            by = "by another model or with other settings"
            told = "Boxes of %d scans in %s were found %s: they are replaced"
            logger.warning(told, others, self._out, by)

    def do(self, source: Path, plan: OutputPlan) -> PredictedFile:
        """The files of a scan: as they are, or made now."""
        with self._journal.alone(source):
            return self._do(source, plan)

    def _do(self, source: Path, plan: OutputPlan) -> PredictedFile:
        began = time.monotonic()
        key = self._journal.key(source)
        with writing(plan.boxes):
            done = self._journal.find(source, key)
        files = self._files(plan, is_new=done is None)
        if done is not None:
            self._journal.tidy(source)
            return files
        self._journal.refuse_clash(source, files.paths)
        with ExitStack() as opened:
            scan = opened.enter_context(self._predictor.open(source))
            place = self._journal.spool(source, key, "boxes")
            was_begun, tiles = place.exists(), self._predictor.tiles(scan)
            with writing(self._out):
                spool = opened.enter_context(BoxSpool(place))
                batch = self._predictor.plan.batch_size
                found = spool.restore(batch=batch, tiles=len(tiles))
            is_new = not was_begun or len(found) < len(tiles)
            boxes = self._find(scan, tiles, found, spool)
            if is_new:  # else an earlier call, which was stopped, may have written
                with writing(plan.boxes):
                    self._journal.set_aside(source, files.findings)
            for path in files.paths:
                sweep(path)
            self._write(scan, boxes, plan)
            with writing(plan.boxes):
                self._journal.finish(
                    source,
                    key,
                    about=self._predictor.about,
                    seconds=time.monotonic() - began,
                    outputs=files.paths,
                )
        return files

    def _files(self, plan: OutputPlan, *, is_new: bool) -> PredictedFile:
        polygons = (plan.polygons,) if self._wanted.polygons else ()
        overlay = plan.overlay if self._wanted.overlay else None
        return PredictedFile((), overlay, (plan.summary, plan.boxes, *polygons), is_new)

    def _find(
        self,
        scan: Scan,
        tiles: Sequence[Tile],
        before: Sequence[Detections],
        spool: BoxSpool,
    ) -> Detections:
        """The boxes of a scan; those of its first tiles were found before."""
        predictor, pixels = self._predictor, scan.extent.pixels
        found = list(before)
        if found:
            share = 100 * len(found) / len(tiles)
            logger.info("%s goes on at %.0f %%", scan.path, share)
        for boxes in predictor.find(scan, tiles[len(found) :]):
            spool.append(boxes)
            found += boxes
            if self._on_rows is not None:
                done = pixels * len(found) // len(tiles)
                self._on_rows(scan.path, done, pixels)
        return predictor.joined(scan, tiles, found)

    def _write(self, scan: Scan, found: Detections, plan: OutputPlan) -> None:
        predictor, wanted = self._predictor, self._wanted
        if not len(found):
            told = "%s: no object with a score of %g or more"
            logger.warning(told, scan.path, predictor.score_threshold)
        labels, scale = predictor.labels, predictor.spec.intensity.fitted_to(scan)
        write_coco(plan.boxes, scan, found, labels)
        if wanted.polygons:
            write_rectangles(plan.polygons, scan, found, labels)
        if wanted.overlay:
            write_box_overlay(plan.overlay, scan, found, labels, intensity=scale)
        method = Method.of(
            predictor.plan,
            scan.extent,
            model=str(predictor.source),
            model_sha256=predictor.digest,
            config_sha256=self._journal.settings_digest,
            runtime=predictor.about,
        )
        summary = summarise_boxes(
            scan,
            found,
            labels,
            score_threshold=predictor.score_threshold,
            method=replace(method, blend=None),
        )
        write_summary(plan.summary, summary)
