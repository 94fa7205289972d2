"""segx predict: write masks of files and folders."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segx.cli.console import console
from segx.cli.progress import ScanProgress

if TYPE_CHECKING:
    from segx.inference.predictor import Predictor

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Predict each file; one that fails does not stop the others, but the exit is 1."""
    arguments = _parser().parse_args(argv)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.inference.loading import load
    from segx.inference.outputs import Wanted, prepare_folder
    from segx.inference.writer import predict_files
    from segx.scans.files import scan_files

    # A folder that can't be written is said before the model is loaded.
    prepare_folder(arguments.out)
    predictor = load(
        arguments.model,
        *arguments.ensemble,
        device=arguments.device,
        tile=arguments.tile,
        overlap=arguments.overlap,
        batch_size=arguments.batch_size,
        views=arguments.tta,
        skip_blank=arguments.skip_blank,
        runtime=arguments.runtime,
        precision=arguments.precision,
    )
    if predictor.spec.class_names is not None:
        return _classify(predictor, arguments.paths, arguments.out)
    wanted = Wanted(
        overlay=not arguments.no_overlay,
        probabilities=arguments.probabilities,
        uncertainty=arguments.uncertainty,
    )
    with ScanProgress(len(scan_files(arguments.paths))) as progress:
        outcomes = predict_files(
            predictor,
            arguments.paths,
            arguments.out,
            wanted=wanted,
            on_rows=progress.show_rows,
            on_done=progress.count,
        )
    written = [item.written for item in outcomes if item.written is not None]
    known = sum(not files.is_new for files in written)
    console.print(
        f"{len(written)} of {len(outcomes)} masks are in {arguments.out}"
        f"{f'; {known} were there already' if known else ''}",
        highlight=False,
    )
    return 1 if len(written) < len(outcomes) else 0


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
    _add_engine(parser)
    parser.add_argument(
        "--ensemble",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="further models, such as folds, that are averaged with the first",
    )
    parser.add_argument(
        "--tta",
        choices=("none", "flips", "all"),
        default="none",
        help="average over test-time views: 4 flips, or 8 flips and turns",
    )
    parser.add_argument(
        "--skip-blank",
        action="store_true",
        help="spare the network glass and empty margins",
    )
    parser.add_argument(
        "--probabilities", action="store_true", help="write a TIFF of probabilities"
    )
    parser.add_argument(
        "--uncertainty",
        action="store_true",
        help="write a TIFF of their entropy",
    )
    parser.add_argument("--no-overlay", action="store_true", help="masks only")
    return parser


def _add_engine(parser: argparse.ArgumentParser) -> None:
    """What runs the network, and where."""
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


def _classify(predictor: "Predictor", paths: list[Path], out: Path) -> int:
    """Write probabilities.csv, one row a file; those that fail are left out."""
    from segx.inference.classify import classify_files

    table = out / "probabilities.csv"
    done, failed = classify_files(predictor, paths, table)
    console.print(
        f"{done} of {done + failed} images classified: {table}", highlight=False
    )
    return 1 if failed else 0
