"""Classify many images into one table of probabilities."""

import csv
import io
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.atomic import write_text
from segx.errors import ScanError, SegxError
from segx.inference.failures import Failures
from segx.inference.journal import Journal
from segx.inference.outputs import Outcome, OutputPlan, prepare_folder
from segx.inference.predictor import Predictor
from segx.labels import Labels
from segx.scans.damage import reading, writing
from segx.scans.files import scan_files

__all__ = ["TABLE", "OnImage", "classify_files", "decided", "write_summary_table"]

logger = logging.getLogger(__name__)

TABLE = "probabilities.csv"
"""Name of the table in the folder of the outputs."""

OnImage = Callable[[Path, NDArray[np.float32]], None]
"""Called with each image and its probabilities."""

_FOUND = 0.5  # from where on an image that may be of several classes is of one


def classify_files(
    predictor: Predictor,
    paths: Sequence[Path],
    out: Path,
    *,
    on_image: OnImage | None = None,
) -> tuple[int, int]:
    """Write one row a file: its path, its class or classes, all probabilities.

    Each image is noted when it is done. A call that was interrupted goes on from there,
    and images of the same bytes are not classified again by the same model.

    Args:
        predictor: A classifier.
        paths: Images, and folders of images.
        out: Folder for the table, `TABLE`.
        on_image: Called with each image and its probabilities, such as to explain them.

    Returns:
        Numbers of images classified, and of images that failed; these are logged.

    Raises:
        ScanError: If a path is missing or no image, or not one image could be read.
    """
    table = prepare_folder(out) / TABLE
    notes = _Notes(predictor, out)
    rows: dict[Path, NDArray[np.float32]] = {}
    failed, failures = 0, Failures()
    for path in scan_files(paths):
        try:
            probabilities = notes.classify(path)
            if on_image is not None:
                on_image(path, probabilities)
        except SegxError as error:
            failures.add(path, error)
            failed += 1
        else:
            rows[path] = probabilities
    failures.tell_rest()
    if not rows:
        raise ScanError(
            f"None of {failed} images could be classified; {table} is not written."
        )
    _write_table(table, rows, predictor)
    return len(rows), failed


def write_summary_table(
    predictor: Predictor, outcomes: Iterable[Outcome], out: Path
) -> dict[Path, NDArray[np.float32]]:
    """Write the same table of scans whose masks were predicted: from their summaries.

    Returns:
        The probabilities by scan.
    """
    rows = {}
    for outcome in outcomes:
        if outcome.written is not None:
            summary = OutputPlan.of(outcome.source, out).summary
            found = json.loads(summary.read_text(encoding="utf-8"))["probabilities"]
            rows[outcome.source] = np.array(list(found.values()), np.float32)
    if rows:
        _write_table(out / TABLE, rows, predictor)
    return rows


def decided(probabilities: NDArray[np.float32], labels: Labels) -> tuple[str, ...]:
    """The most probable class or, of several possible ones, all of at least 0.5.

    Examples:
        >>> decided(np.float32([0.4, 0.6]), Labels("multiclass", ("ill", "well")))
        ('well',)
    """
    if labels.kind == "multilabel":
        chosen = np.flatnonzero(probabilities >= _FOUND).tolist()
    else:
        chosen = [int(probabilities.argmax())]
    return tuple(labels.names[index] for index in chosen)


class _Notes:
    """What has been classified already: a line a picture, in the folder ``.segx``."""

    def __init__(self, predictor: Predictor, out: Path) -> None:
        self._predictor = predictor
        working = predictor.working
        settings = {**predictor.members.settings, "working": working}
        self._journal = Journal(out, settings=settings)
        digest = self._journal.settings_digest
        self._file = self._journal.spool(Path(TABLE), digest, "classes")
        self._known = _read_notes(self._file)

    def classify(self, path: Path) -> NDArray[np.float32]:
        """The probabilities of an image, noted before or now."""
        key = self._journal.key(path)
        if key not in self._known:
            found = self._ask(path)
            line = json.dumps({key: found.astype(float).tolist()})
            with writing(self._file):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(f"\n{line}")  # ends what a killed process began
                    file.flush()
                    os.fsync(file.fileno())
            self._known[key] = found
        return self._known[key]

    def _ask(self, path: Path) -> NDArray[np.float32]:
        """The probabilities of an image, by the engines that an earlier call took."""
        predictor, before = self._predictor, self._journal.engines
        with predictor.open(path) as scan:
            predictor.settle(scan, engines=before)
            if before is None:
                with writing(self._file):
                    self._journal.settle(predictor.members.engines)
            return predictor.classify_scan(scan)


def _read_notes(path: Path) -> dict[str, NDArray[np.float32]]:
    """The notes of earlier calls; a line that was cut off is passed over."""
    known: dict[str, NDArray[np.float32]] = {}
    if path.is_file():
        with reading(path):
            lines = path.read_text(encoding="utf-8").splitlines()
        for line in lines:
            try:
                ((key, found),) = json.loads(line).items()
            except ValueError:
                continue
            known[key] = np.array(found, np.float32)
    return known


def _write_table(
    table: Path, rows: Mapping[Path, NDArray[np.float32]], predictor: Predictor
) -> None:
    labels = predictor.members.class_labels
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "class", *labels.names])
    for path, probabilities in rows.items():
        classes = ";".join(decided(probabilities, labels))
        writer.writerow([path, classes, *(f"{value:.6f}" for value in probabilities)])
    with writing(table):
        write_text(table, text.getvalue())
