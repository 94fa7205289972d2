"""segx predict with models that tell classes: a table, and pictures of why."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segx.cli.console import console, messages
from segx.cli.unused import refuse_unused
from segx.errors import ConfigError, SegxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from segx.inference.outputs import Outcome
    from segx.inference.predictor import Predictor

__all__ = ["Pictures", "predict_classes", "tell_classes"]

_OF_MASKS = {
    "--no-overlay": "there is no overlay without a mask",
    "--polygons": "only masks have outlines",
    "--probabilities": "those of classes are in its table anyway",
    "--uncertainty": "that is of pixels",
    "--tile": "it sees an image as a whole",
    "--overlap": "it sees an image as a whole",
    "--blend": "it sees an image as a whole",
    "--batch-size": "it sees one image at a time",
    "--skip-blank": "it sees an image as a whole",
    "--region": "it sees an image as a whole; cut out beforehand what it is to see",
}
"""Options that a classifier has no use for, and why."""


class Pictures:
    """Explains classes image by image; a picture that fails stops no other.

    Args:
        predictor: What tells the classes.
        arguments: What `segx predict` was told.

    Raises:
        ConfigError: If the model tells no classes.
    """

    def __init__(self, predictor: "Predictor", arguments: argparse.Namespace) -> None:
        from segx.artifact import load_model
        from segx.inference.explain import Explainer
        from segx.inference.failures import Failures
        from segx.inference.folds import runs_of

        if predictor.spec.class_names is None:
            raise ConfigError(
                f"--explain: {arguments.model} makes masks only. It explains the "
                "classes of models that tell them."
            )
        explained = load_model(runs_of(Path(arguments.model))[0])
        if len(predictor.members.members) > 1:
            messages.print(
                f"--explain draws what speaks to {explained.source} alone; the "
                "probabilities are the mean of all models.",
                highlight=False,
                soft_wrap=True,
            )
        self._explain = Explainer(explained, predictor, arguments.out)
        self._failures = Failures()
        self.failed = 0

    def __call__(self, path: Path, probabilities: "NDArray[np.float32]") -> None:
        """Draw one; log it if that can't be done."""
        try:
            self._explain(path, probabilities)
        except SegxError as error:
            self._failures.add(path, error)
            self.failed += 1

    def tell_failed(self) -> None:
        """Say, once all images are through, how many lack their picture."""
        from segx.data.defects import plural

        self._failures.tell_rest()
        if self.failed:
            console.print(f"{plural(self.failed, 'picture')} of --explain failed")


def predict_classes(
    predictor: "Predictor",
    arguments: argparse.Namespace,
    pictures: Pictures | None,
) -> int:
    """Write probabilities.csv, one row a file; those that fail are left out.

    Raises:
        ConfigError: If an option is of no use for classes.
    """
    refuse_unused(arguments, _OF_MASKS, does="tells classes of whole images")
    from segx.inference.classify import TABLE, classify_files

    done, failed = classify_files(
        predictor, arguments.paths, arguments.out, on_image=pictures
    )
    console.print(
        f"{done} of {done + failed} images classified: {arguments.out / TABLE}",
        highlight=False,
    )
    return 1 if failed else 0


def tell_classes(
    predictor: "Predictor",
    outcomes: "Sequence[Outcome]",
    out: Path,
    pictures: Pictures | None,
) -> None:
    """Write probabilities.csv of scans whose masks are written, and explain them."""
    from segx.inference.classify import TABLE, write_summary_table

    rows = write_summary_table(predictor, outcomes, out)
    if pictures is not None:
        for path, probabilities in rows.items():
            pictures(path, probabilities)
    console.print(f"{len(rows)} images classified: {out / TABLE}", highlight=False)
