"""Scans become files: predicted once, resumed where they stopped, written whole."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from segx.atomic import sha256, sweep
from segx.errors import ScanError, SegxError
from segx.inference.confidence import sum_rows, sums_in_row
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
from segx.inference.predictor import Predictor
from segx.inference.results import (
    Finished,
    Spools,
    refuse_unwritable,
    result_files,
    write_results,
)
from segx.inference.spool import Spool
from segx.inference.summary import Method
from segx.masks.decide import decide
from segx.scans.damage import reading, writing
from segx.scans.files import files_of, scan_files
from segx.scans.scan import Scan

__all__ = ["OnRows", "predict_file", "predict_files"]

logger = logging.getLogger(__name__)

OnRows = Callable[[Path, int, int], None]
"""Called with the scan, and with its pixels that are finished and of all."""


def predict_files(
    predictor: Predictor,
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    wanted: Wanted | None = None,
    on_rows: OnRows | None = None,
    on_done: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Predict files and folders; one that fails does not stop the others.

    A scan whose outputs are there already, of the same bytes by the same model, is
    passed over; one that was interrupted goes on from its last finished rows. The
    outputs of one scan are written while the next is predicted.

    Args:
        predictor: The model.
        paths: Images, and folders of images.
        out: Folder for the masks; it is made where it is missing.
        wanted: What is written beside them.
        on_rows: Called after each band.
        on_done: Called after each scan, in order.

    Returns:
        One outcome a scan, in order; failures are logged, too.

    Raises:
        ScanError: Before anything is predicted: if a path is missing or no image, or
            two outputs would have the same name.
    """
    folder = prepare_folder(Path(out))
    sources = scan_files(Path(path) for path in paths)
    plans = plan_outputs(sources, folder, labels=predictor.labels)
    work = _Work(predictor, folder, wanted or Wanted(), on_rows or _silent)
    work.warn_of_others(sources)
    failures = Failures()
    outcomes: list[Outcome] = []

    def keep(outcome: Outcome) -> None:
        if outcome.error is not None:
            failures.add(outcome.source, outcome.error)
        outcomes.append(outcome)
        if on_done is not None:
            on_done(outcome)

    pending: Future[Outcome] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="segx-writer") as behind:
        for source, plan in plans.items():
            started = work.start(source, plan)
            if pending is not None:
                keep(pending.result())
            pending = behind.submit(started)
        if pending is not None:
            keep(pending.result())
    failures.tell_rest()
    return outcomes


def predict_file(
    predictor: Predictor,
    path: str | Path,
    out: str | Path,
    *,
    wanted: Wanted | None = None,
) -> PredictedFile:
    """Predict one file; see `predict_files`.

    Raises:
        SegxError: What stopped it.
    """
    (outcome,) = predict_files(predictor, [path], out, wanted=wanted)
    if outcome.written is None:
        raise outcome.error or ScanError(f"{path} was not predicted.")
    return outcome.written


class _Work:
    """Predicts scans one by one; writing what was predicted is left to be called."""

    def __init__(
        self, predictor: Predictor, out: Path, wanted: Wanted, on_rows: OnRows
    ) -> None:
        self._predictor = predictor
        self._out = out
        self._wanted = wanted
        self._on_rows = on_rows
        members = predictor.members
        self._journal = Journal(
            out,
            settings={
                **members.settings,
                "plan": asdict(predictor.plan),
                "skip_blank": predictor.skip_blank,
                "working": predictor.working,
                "interest": _digests(predictor.interest),
                "wanted": asdict(wanted),
            },
        )

    def warn_of_others(self, sources: Iterable[Path]) -> None:
        """Say how many masks that are there will give way to new ones."""
        others = sum(self._journal.is_of_others(source) for source in sources)
        if others:
            told = "%d masks in %s were made %s: they are replaced"
            if others == 1:
                told = "%d mask in %s was made %s: it is replaced"
            by = "by another model or with other settings"
            logger.warning(told, others, self._out, by)

    def start(self, source: Path, plan: OutputPlan) -> Callable[[], Outcome]:
        """Predict a scan, as far as it was not before; return what writes it."""
        began = time.monotonic()
        predictor, wanted = self._predictor, self._wanted
        try:
            with ExitStack() as opened:
                opened.enter_context(self._journal.alone(source))
                key = self._journal.key(source)
                with writing(plan.mask):
                    done = self._journal.find(source, key)
                files = result_files(plan, wanted, predictor, is_new=done is None)
                if done is not None:
                    self._journal.tidy(source)
                    return lambda: Outcome(source, files, None)
                self._journal.refuse_clash(source, files.paths)
                with self._opened(source, key) as (scan, spools):
                    self._settle(scan)
                    is_new = spools.rows < scan.planes * scan.extent.rows
                    if is_new:
                        labels = predictor.labels
                        refuse_unwritable(scan, plan, wanted, labels=labels)
                        self._predict(scan, spools)
                held = opened.pop_all()
        except SegxError as error:
            failure = Outcome(source, None, error)
            return lambda: failure
        return lambda: self._finish(source, plan, key, began, held=held, is_new=is_new)

    def _settle(self, scan: Scan) -> None:
        """Choose between fast engines and exact ones, as an earlier call did."""
        before = self._journal.engines
        self._predictor.settle(scan, engines=before)
        if before is None:
            with writing(self._out):
                self._journal.settle(self._predictor.members.engines)

    def _predict(self, scan: Scan, spools: Spools) -> None:
        """Add what is missing to the spools."""
        total = scan.planes * scan.extent.pixels
        finished = spools.rows
        start = self._predictor.resume(scan, rows=finished)
        rows = start.plane * scan.extent.rows + start.row
        for spool in spools:
            spool.resize(rows)
        if rows:
            logger.info("%s goes on at %.0f %%", scan.path, 100 * finished / total)
        labels = self._predictor.labels
        for band in self._predictor.predict_probabilities(scan, start=start):
            mask = decide(band.probabilities, labels)
            sums = sum_rows(band.probabilities, mask, labels, dissent=band.dissent)
            if spools.maps is not None:
                spools.maps.append(np.moveaxis(band.probabilities, 0, 2))
            spools.sums.append(sums)
            spools.mask.append(mask)
            rows += band.region.rows
            self._on_rows(scan.path, rows * scan.extent.cols, total)

    def _finish(
        self,
        source: Path,
        plan: OutputPlan,
        key: str,
        began: float,
        *,
        held: ExitStack,
        is_new: bool,
    ) -> Outcome:
        """Write the outputs of a scan whose spools are full; then let go of it."""
        predictor, wanted = self._predictor, self._wanted
        files = result_files(plan, wanted, predictor)
        try:
            with (
                held,
                self._opened(source, key) as (scan, spools),
                writing(plan.mask),
            ):
                if is_new:  # else an earlier call, which was stopped, may have written
                    self._journal.set_aside(source, files.findings)
                room = self._journal.spool(source, key, "clean")
                finished = Finished(scan, spools, room)
                for path in files.paths:
                    sweep(path)
                write_results(
                    finished,
                    plan,
                    wanted,
                    predictor=predictor,
                    method=self._method(scan),
                )
                self._journal.finish(
                    source,
                    key,
                    about=predictor.members.about,
                    seconds=time.monotonic() - began,
                    outputs=files.paths,
                )
        except SegxError as error:
            return Outcome(source, None, error)
        return Outcome(source, files, None)

    def _method(self, scan: Scan) -> Method:
        """How the mask of a scan is made, for its summary."""
        members = self._predictor.members
        return Method.of(
            self._predictor.plan,
            scan.extent,
            model=", ".join(str(item.source) for item in members.members),
            model_sha256=", ".join(item.digest for item in members.members),
            config_sha256=self._journal.settings_digest,
            runtime=members.about,
            cleaning=self._cleaning,
        )

    @property
    def _cleaning(self) -> dict[str, Any] | None:
        """The cleaning of the masks, as the config has it; None if there is none."""
        spec = self._predictor.spec
        if not spec.cleaning.changes:
            return None
        return spec.inference.cleaning.model_dump(mode="json")

    @contextmanager
    def _opened(self, source: Path, key: str) -> Iterator[tuple[Scan, Spools]]:
        """A scan with its spools; that of maps only where they are wanted."""
        labels = self._predictor.labels
        is_multilabel = labels.kind == "multilabel"
        layers = (len(labels.names),) if is_multilabel else ()
        with ExitStack() as opened:
            scan = opened.enter_context(self._predictor.open(source))

            def spool(kind: str, row: tuple[int, ...], dtype: DTypeLike) -> Spool:
                path = self._journal.spool(source, key, kind)
                return opened.enter_context(Spool(path, row_shape=row, dtype=dtype))

            cols, maps = scan.extent.cols, None
            with writing(self._out):
                mask = spool("mask", (cols, *layers), np.uint8)
                sums = spool("sums", (sums_in_row(labels),), np.float64)
                if self._wanted.probabilities or self._wanted.uncertainty:
                    maps = spool("maps", (cols, labels.logits), np.float16)
            yield scan, Spools(mask, sums, maps)


def _digests(interest: Path | None) -> dict[str, str]:
    """SHA-256 of the files that say where to predict, by name."""
    if interest is None:
        return {}
    with reading(interest):
        root = interest if interest.is_dir() else interest.parent
        files = files_of(interest)
        return {os.path.relpath(file, root): sha256(file) for file in files}


def _silent(_source: Path, _done: int, _total: int) -> None:
    """Say nothing."""
