"""segx predict: write masks, classes or boxes of files and folders."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from segx.cli.boxes import predict_boxes
from segx.cli.classes import Pictures, predict_classes, tell_classes
from segx.cli.console import messages
from segx.cli.flags import show_flags
from segx.cli.parser import Parser, positive
from segx.cli.pixel_size import add_pixel_size, pixel_mm
from segx.cli.progress import ScanProgress, tell_outcomes
from segx.cli.views import add_views
from segx.errors import ConfigError

if TYPE_CHECKING:
    from segx.inference.predictor import Predictor, Working

__all__ = ["run"]


def run(argv: list[str]) -> int:
    """Predict each file; one that fails does not stop the others, but the exit is 1."""
    arguments = _parser().parse_args(argv)
    if arguments.explain and Path(arguments.model).suffix == ".onnx":
        raise ConfigError(
            f"--explain: {arguments.model} can't be explained, for an .onnx has no "
            "gradients. Give the run that it was exported from."
        )
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.inference.loading import is_detector
    from segx.inference.outputs import prepare_folder
    from segx.scans.files import scan_files

    # What is missing or can't be written is said before the model is loaded.
    scans = scan_files(arguments.paths)
    prepare_folder(arguments.out)
    if is_detector(arguments.model):
        working = _working(arguments)
        return predict_boxes(arguments, scans=len(scans), working=working)
    predictor = _load(arguments)
    pictures = Pictures(predictor, arguments) if arguments.explain else None
    if predictor.spec.labels is None:
        code = predict_classes(predictor, arguments, pictures)
    else:
        code = _predict_masks(predictor, arguments, pictures, scans=len(scans))
    if pictures is not None:
        pictures.tell_failed()
    return 1 if pictures is not None and pictures.failed else code


def _predict_masks(
    predictor: "Predictor",
    arguments: argparse.Namespace,
    pictures: Pictures | None,
    *,
    scans: int,
) -> int:
    """Write a mask for each scan, and of models that tell classes the table, too."""
    from segx.inference.outputs import Wanted
    from segx.inference.writer import predict_files

    wanted = Wanted(
        overlay=not arguments.no_overlay,
        polygons=arguments.polygons,
        probabilities=arguments.probabilities,
        uncertainty=arguments.uncertainty,
    )
    _tell_cleaning(predictor)
    with ScanProgress(scans, quiet=arguments.quiet) as progress:
        outcomes = predict_files(
            predictor,
            arguments.paths,
            arguments.out,
            wanted=wanted,
            on_rows=progress.show_rows,
            on_done=progress.count,
        )
    if predictor.spec.class_names is not None:
        tell_classes(predictor, outcomes, arguments.out, pictures)
    code = tell_outcomes(outcomes, "{} of {} masks", arguments.out)
    show_flags(outcomes)
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="segx predict",
        description="Write a mask, an overlay and a summary for each scan; of models "
        "that tell classes, a CSV file of probabilities; of detectors, the boxes as "
        "COCO has them in place of the mask. What is there already is not predicted "
        "again.",
    )
    parser.add_argument(
        "model",
        help="a run folder, a folder of folds, a .ckpt, a model folder or an .onnx",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="scans, folders"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help="folder for results"
    )
    parser.add_argument(
        "--ensemble",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="further models, such as folds, that are averaged with the first",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    _add_outputs(parser.add_argument_group("what is written"))
    _add_tiles(parser.add_argument_group("how a scan is cut"))
    _add_engine(parser.add_argument_group("what runs the network, and where"))
    return parser


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--no-overlay", action="store_true", help="no picture of it")
    group.add_argument(
        "--polygons", action="store_true", help="GeoJSON, as QuPath opens it"
    )
    group.add_argument(
        "--probabilities", action="store_true", help="a TIFF of probabilities"
    )
    group.add_argument(
        "--uncertainty", action="store_true", help="a TIFF of their entropy, 0 to 1"
    )
    group.add_argument(
        "--score-threshold",
        type=float,
        help="of boxes: the least score of one that is written, from 0 to 1",
    )
    group.add_argument(
        "--explain",
        action="store_true",
        help="of classes: a picture of what speaks for the most probable (Grad-CAM)",
    )


def _add_tiles(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--mpp", type=float, help="work at so many µm a pixel")
    group.add_argument("--level", type=int, help="work at a pyramid's level, from 0")
    add_pixel_size(group)
    group.add_argument("--tile", type=positive, help="side of a tile in pixels")
    group.add_argument(
        "--overlap", type=float, help="least share that neighbours overlap"
    )
    group.add_argument(
        "--blend",
        choices=("hann", "gaussian"),
        help="how a pixel's weight falls towards a tile's border",
    )
    group.add_argument("--batch-size", type=positive, help="tiles that run at once")
    add_views(group)
    group.add_argument(
        "--skip-blank",
        action="store_true",
        help="spare the network glass and empty margins",
    )
    group.add_argument(
        "--region",
        type=Path,
        help="predict only within a mask or GeoJSON polygons; a folder holds one for "
        "each scan, of its stem",
    )


def _add_engine(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    group.add_argument(
        "--runtime",
        choices=("auto", "torch", "onnx", "openvino"),
        default="auto",
        help="the engine (default: the fastest installed)",
    )
    group.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16", "int8"),
        help="what it computes in (default: the fastest there is)",
    )


def _working(arguments: argparse.Namespace) -> "Working":
    """The resolution that was asked for."""
    from segx.inference.predictor import Working

    return Working(
        level=arguments.level,
        mpp=arguments.mpp,
        pixel_mm=pixel_mm(arguments.pixel_size),
    )


def _load(arguments: argparse.Namespace) -> "Predictor":
    """The models, in the engine and with the tiles that were asked for."""
    from segx.inference.loading import load

    if arguments.score_threshold is not None:
        raise ConfigError(
            f"--score-threshold: {arguments.model} finds no boxes, whose scores it is "
            "about. Leave it out."
        )
    return load(
        arguments.model,
        *arguments.ensemble,
        device=arguments.device,
        tile=arguments.tile,
        overlap=arguments.overlap,
        blend=arguments.blend,
        batch_size=arguments.batch_size,
        views=arguments.tta,
        skip_blank=arguments.skip_blank,
        working=_working(arguments),
        interest=arguments.region,
        runtime=arguments.runtime,
        precision=arguments.precision,
    )


def _tell_cleaning(predictor: "Predictor") -> None:
    """Say so where masks are not what the network alone would make."""
    if predictor.spec.cleaning.changes:
        rules = predictor.spec.inference.cleaning.model_dump(exclude_defaults=True)
        told = ", ".join(f"{name} {value}" for name, value in rules.items())
        messages.print(f"Masks are cleaned: {told}", highlight=False)
