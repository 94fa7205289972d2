"""Classify many images into one table of probabilities."""

import csv
import io
import logging
from collections.abc import Sequence
from pathlib import Path

from segx.atomic import write_text
from segx.errors import ScanError, SegxError
from segx.inference.predictor import Predictor
from segx.scans.files import scan_files

__all__ = ["classify_files"]

logger = logging.getLogger(__name__)


def classify_files(
    predictor: Predictor, paths: Sequence[Path], table: Path
) -> tuple[int, int]:
    """Write one row a file: its path, the most probable class, all probabilities.

    Args:
        predictor: A classifier.
        paths: Images, and folders of images.
        table: The CSV file to write.

    Returns:
        Numbers of images classified, and of images that failed; these are logged.

    Raises:
        ScanError: If a path is missing or no image, or not one image could be read.
    """
    names = predictor.spec.class_names or ()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "class", *names])
    done = failed = 0
    for path in scan_files(paths):
        try:
            probabilities = predictor.classify(path).tolist()
        except SegxError as error:
            logger.warning("%s", error)
            failed += 1
            continue
        best = names[probabilities.index(max(probabilities))]
        writer.writerow([path, best, *(f"{value:.6f}" for value in probabilities)])
        done += 1
    if not done:
        raise ScanError(
            f"None of {failed} images could be classified; {table} is not written."
        )
    write_text(table, text.getvalue())
    return done, failed
