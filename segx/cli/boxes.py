"""segx predict with a detector: write the boxes of files and folders."""

import argparse
from typing import TYPE_CHECKING

from segx.cli.progress import ScanProgress, tell_outcomes
from segx.cli.unused import refuse_unused
from segx.errors import ConfigError

if TYPE_CHECKING:
    from segx.inference.predictor import Working

__all__ = ["predict_boxes"]

_OF_MASKS = {
    "--blend": "where tiles meet there is nothing to blend",
    "--probabilities": "a box has one score, in its file",
    "--uncertainty": "a box has one score, in its file",
    "--region": "it bounds masks; leave out boxes by their places afterwards",
    "--explain": "it explains classes of whole images",
    "--ensemble": "boxes of several detectors can't be averaged",
}
"""Flags that a detector has no use for, and why."""


def predict_boxes(
    arguments: argparse.Namespace, *, scans: int, working: "Working"
) -> int:
    """Find objects in each file; one that fails does not stop the others.

    Args:
        arguments: What `segx predict` was told.
        scans: Number of scans.
        working: The resolution to work at.

    Returns:
        0, or 1 if a scan failed.

    Raises:
        ConfigError: If a flag is of no use for boxes.
    """
    _refuse_flags(arguments)
    from segx.inference.box_writer import detect_files
    from segx.inference.loading import load_detector
    from segx.inference.outputs import Wanted

    predictor = load_detector(
        arguments.model,
        device=arguments.device,
        tile=arguments.tile,
        overlap=arguments.overlap,
        batch_size=arguments.batch_size,
        views=arguments.tta,
        skip_blank=arguments.skip_blank,
        working=working,
        precision=arguments.precision,
        score_threshold=arguments.score_threshold,
    )
    wanted = Wanted(overlay=not arguments.no_overlay, polygons=arguments.polygons)
    with ScanProgress(scans, quiet=arguments.quiet) as progress:
        outcomes = detect_files(
            predictor,
            arguments.paths,
            arguments.out,
            wanted=wanted,
            on_rows=progress.show_rows,
            on_done=progress.count,
        )
    return tell_outcomes(outcomes, "The boxes of {} of {} scans", arguments.out)


def _refuse_flags(arguments: argparse.Namespace) -> None:
    refuse_unused(arguments, _OF_MASKS, does="finds boxes")
    if arguments.runtime not in ("auto", "torch") or arguments.precision == "int8":
        asked = "--precision" if arguments.precision == "int8" else "--runtime"
        value = vars(arguments)[asked.removeprefix("--")]
        raise ConfigError(
            f"{asked} {value}: {arguments.model} finds boxes, and detectors run in "
            "torch, in fp32, bf16 or fp16. Leave it out."
        )
