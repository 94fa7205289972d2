"""segx predict: write masks of files and folders."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress

from segx.cli.console import console, messages

if TYPE_CHECKING:
    from segx.inference.predictor import Predictor

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Predict each file; one that fails does not stop the others, but the exit is 1."""
    arguments = _parser().parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.inference.loading import load
    from segx.inference.outputs import prepare_folder

    # A folder that can't be written is said before the model is loaded.
    prepare_folder(arguments.out)
    predictor = load(
        arguments.model,
        device=arguments.device,
        tile=arguments.tile,
        overlap=arguments.overlap,
        batch_size=arguments.batch_size,
        runtime=arguments.runtime,
        precision=arguments.precision,
    )
    if predictor.spec.class_names is not None:
        return _classify(predictor, arguments.paths, arguments.out)
    with Progress(console=messages, transient=True) as progress:
        bar = progress.add_task("Predicting", total=None)

        outcomes = predictor.predict_folder(
            arguments.paths,
            arguments.out,
            overlay=not arguments.no_overlay,
            on_done=lambda _: progress.advance(bar),
        )
    failed = sum(outcome.error is not None for outcome in outcomes)
    done = len(outcomes) - failed
    console.print(
        f"{done} of {len(outcomes)} masks written to {arguments.out}", highlight=False
    )
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="segx predict",
        description="Write a mask and an overlay for each image; for a classifier, a "
        "CSV file of probabilities.",
    )
    parser.add_argument(
        "model", help="a run folder, a .ckpt, a model folder or an .onnx"
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="images, folders"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help="folder for results"
    )
    parser.add_argument("--tile", type=int, help="side of a tile in pixels")
    parser.add_argument(
        "--overlap", type=float, help="least share that neighbours overlap"
    )
    parser.add_argument("--batch-size", type=int, help="tiles that run at once")
    parser.add_argument(
        "--device", help="cpu, cuda or mps (default: the best there is)"
    )
    parser.add_argument(
        "--runtime",
        choices=("auto", "torch", "onnx", "openvino"),
        default="auto",
        help="the engine (default: the fastest installed)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16", "int8"),
        help="what it computes in (default: the fastest there is)",
    )
    parser.add_argument("--no-overlay", action="store_true", help="masks only")
    return parser


def _classify(predictor: "Predictor", paths: list[Path], out: Path) -> int:
    """Write probabilities.csv, one row a file; those that fail are left out."""
    from segx.inference.classify import classify_files

    table = out / "probabilities.csv"
    done, failed = classify_files(predictor, paths, table)
    console.print(
        f"{done} of {done + failed} images classified: {table}", highlight=False
    )
    return 1 if failed else 0
