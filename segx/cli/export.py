"""segx export: one file that runs without torch, or in eight bits, or elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

from segx.atomic import check_writable
from segx.cli.console import console
from segx.cli.parser import Parser
from segx.errors import ConfigError

if TYPE_CHECKING:
    from segx.artifact import Model
    from segx.data.splits import Splits

__all__ = ["run"]

_HELD_TILES = 8


def run(argv: list[str]) -> int:
    """Export a run as ONNX, quantised too if wanted, or as a model folder."""
    arguments = _parser().parse_args(argv)
    if arguments.int8 and arguments.format != "onnx":
        raise ConfigError("--int8 quantises what --format onnx exports: leave one out.")
    # The run of a checkpoint is a folder above it, which a bare name does not tell.
    run: Path = arguments.run if arguments.run.is_dir() else arguments.run.absolute()
    target = _target(run, arguments.out, arguments.format)
    if arguments.format == "safetensors":
        return _save(run, target)
    places = _quantised_places(run, target) if arguments.int8 else []
    for place in (target, *places):
        check_writable(place)
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    from segx.artifact import load_model

    splits = _splits(run, arguments.data) if arguments.int8 else None
    model = load_model(run)
    _export(model, target)
    if splits is not None:
        _quantise(model, target, places, splits)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="segx export",
        description="Write a trained model as one ONNX file that takes images of any "
        "size and carries all that a prediction needs, or as a folder of config and "
        "weights.",
    )
    parser.add_argument(
        "run", type=Path, help="a run folder, a .ckpt or a model folder"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        help="the file, or the folder for safetensors (default: RUN/export/model…)",
    )
    parser.add_argument("--format", choices=("onnx", "safetensors"), default="onnx")
    parser.add_argument(
        "--int8",
        action="store_true",
        help="quantise for OpenVINO as well, calibrated on training images",
    )
    parser.add_argument(
        "--data", type=Path, help="another folder with the layout of the run's data set"
    )
    return parser


def _target(run: Path, out: Path | None, kind: str) -> Path:
    """The file, or for safetensors the folder, to write."""
    if out is None:
        from segx.inference.exported import exported_place

        place = exported_place(run)
        return place if kind == "onnx" else place.with_suffix("")
    if kind == "onnx" and out.suffix.lower() != ".onnx":
        raise ConfigError(f"-o {out}: an ONNX file's name ends in .onnx.")
    return out


def _save(run: Path, folder: Path) -> int:
    """Write the model as a folder, where that replaces nothing but such a one."""
    from segx.artifact import check_model_folder, load_model, save_model

    check_model_folder(folder)
    saved = save_model(load_model(run), folder)
    console.print(f"Written: {saved}", soft_wrap=True)
    return 0


def _quantised_places(run: Path, onnx: Path) -> list[Path]:
    """Beside the ONNX file, and with the run so that predicting with it finds it."""
    from segx.inference.quantise import quantised_place

    return list(dict.fromkeys([quantised_place(onnx), quantised_place(run)]))


def _splits(run: Path, data: Path | None) -> "Splits":
    """The cases to calibrate and to judge on, before anything is made of them."""
    from segx.evaluation.tiles import splits_of_run
    from segx.training.run import RunFolder

    folder = RunFolder(run.parents[1] if run.suffix == ".ckpt" else run)
    return splits_of_run(folder.read_config(), folder.splits, root=data)


def _export(model: "Model", target: Path) -> None:
    from segx.inference.export import export_onnx

    parity = export_onnx(model, target)
    worst = max(item.difference for item in parity)
    shapes = ", ".join("x".join(map(str, item.shape)) for item in parity)
    console.print(
        f"{target}: {target.stat().st_size / 1e6:.1f} MB, any batch, rows and columns; "
        f"at {shapes} its logits differ from torch by {worst:.1g} of the largest",
        highlight=False,
        soft_wrap=True,
    )


def _quantise(model: "Model", onnx: Path, places: list[Path], splits: "Splits") -> None:
    from segx.evaluation.tiles import sample_tiles
    from segx.inference.engines import torch_reference
    from segx.inference.export import passport_of
    from segx.inference.parity import PARITY_LIMIT, flipped_on
    from segx.inference.quantise import CALIBRATION_TILES, quantise
    from segx.inference.runtimes.openvino import OpenVinoRuntime

    tiles = sample_tiles(splits.train, model.spec, count=CALIBRATION_TILES)
    quantise(onnx, tiles, passport=passport_of(model), to=places)
    flipped = flipped_on(
        OpenVinoRuntime(places[0], precision="int8"),
        torch_reference(model),
        sample_tiles(splits.val, model.spec, count=_HELD_TILES),
        model.spec.labels,
    )
    what = "pixels" if model.spec.labels else "images"
    console.print(
        f"{' and '.join(map(str, places))}: calibrated on {len(tiles)} training tiles; "
        f"{flipped:.2%} of the {what} of {_HELD_TILES} validation tiles are decided "
        "otherwise than by torch fp32",
        highlight=False,
        soft_wrap=True,
    )
    if flipped > PARITY_LIMIT:
        console.print(
            f"That is more than {PARITY_LIMIT:.1%}: predictions will hardly use it.",
            highlight=False,
        )
