"""segx bench: how fast each engine runs a model on this machine, and how it agrees."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from segx.cli.console import console, messages
from segx.cli.parser import Parser, positive
from segx.errors import ConfigError, SegxError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from segx.inference.engines import Choices
    from segx.inference.timing import Timing
    from segx.spec import ModelSpec

__all__ = ["run"]

_PARITY_TILES = 4


def run(argv: list[str]) -> int:
    """Time every engine that can run the model, and print a table or JSON."""
    arguments = _parser().parse_args(argv)
    if arguments.data is not None and not _is_run(arguments.run):
        raise ConfigError(
            f"--data: {arguments.run} is no run folder, and only that tells which of a "
            "data set's cases are for validation. Give the run, or leave it out: any "
            "other model is timed on noise."
        )
    # Imported here, after wrong use has been refused: torch takes seconds to load.
    spec, choices = _choices(arguments.run, arguments.device)
    if arguments.tile is not None:
        plan = spec.inference.model_copy(update={"tile": arguments.tile})
        spec = spec.model_copy(update={"inference": plan})
    tiles, origin = _tiles(arguments.run, arguments.data, spec)
    with messages.status("Timing"):
        timings = list(_timings(choices, tiles, spec, repeats=arguments.repeats))
    rows, cols = tiles[0].shape[1:]
    if arguments.json:
        sys.stdout.write(_as_json(timings, f"{rows}x{cols}", origin))
    else:
        console.print(_table(timings, f"{rows}x{cols}", origin))
    return 0 if timings else 1


def _parser() -> Parser:
    parser = Parser(
        prog="segx bench",
        description="Time every engine and precision that can run a model here, and "
        "compare what they decide with float32.",
    )
    parser.add_argument(
        "run", type=Path, help="a run folder, a .ckpt, a model folder or an .onnx"
    )
    parser.add_argument("--tile", type=positive, help="side of the tile in pixels")
    parser.add_argument(
        "--repeats", type=positive, default=10, help="timed runs (default: 10)"
    )
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best)")
    parser.add_argument(
        "--data", type=Path, help="another folder with the layout of the run's data set"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _choices(path: Path, device: str | None) -> "tuple[ModelSpec, Choices]":
    from segx.inference.engines import choices_of_exported, choices_of_model
    from segx.inference.exported import ExportedModel, is_exported

    if is_exported(path):
        exported = ExportedModel.read(path, device=device)
        return exported.spec, choices_of_exported(exported)
    from segx.artifact import load_model

    model = load_model(path)
    return model.spec, choices_of_model(model, path=path, device=device)


def _tiles(
    path: Path, data: Path | None, spec: "ModelSpec"
) -> "tuple[list[NDArray[np.float32]], str]":
    """Tiles of the run's validation cases; noise where these are not at hand."""
    from segx.inference.timing import noise_tiles, tile_side

    if _is_run(path):
        from segx.evaluation.tiles import sample_tiles, splits_of_run
        from segx.training.run import RunFolder

        try:
            run = RunFolder(path)
            splits = splits_of_run(run.read_config(), run.splits, root=data)
            return sample_tiles(splits.val, spec, count=_PARITY_TILES), "validation"
        except SegxError as error:
            messages.print(f"Noise instead of the run's images: {error}")
    side = tile_side(spec)
    return noise_tiles(spec.in_channels, side, count=_PARITY_TILES), "noise"


def _is_run(path: Path) -> bool:
    return (path / "config.yaml").is_file() and (path / "checkpoints").is_dir()


def _timings(
    choices: "Choices",
    tiles: "Sequence[NDArray[np.float32]]",
    spec: "ModelSpec",
    *,
    repeats: int,
) -> "Iterator[Timing]":
    """One engine after another; one that can't run the model is left out, and said."""
    from segx.inference.timing import time_runtime

    for option in choices.options:
        try:
            yield time_runtime(
                choices.build(option),
                tiles,
                reference=choices.reference,
                labels=spec.labels,
                repeats=repeats,
            )
        except SegxError as error:
            messages.print(f"{option}: {error}", soft_wrap=True)


def _table(timings: "Sequence[Timing]", size: str, origin: str) -> Table:
    table = Table(
        title=f"One tile of {size} px",
        caption=f"Median, fastest and slowest of {len(timings[0].seconds)} runs. "
        f"flipped: pixels of {origin} tiles decided otherwise than in float32."
        if timings
        else None,
        box=box.SIMPLE_HEAD,
        caption_justify="left",
        pad_edge=False,
    )
    table.add_column("engine", no_wrap=True)
    for head in ("s/tile", "fastest", "slowest", "Mpx/s", "flipped"):
        table.add_column(head, justify="right", no_wrap=True)
    for item in timings:
        table.add_row(
            item.about,
            f"{item.median:.3f}",
            f"{min(item.seconds):.3f}",
            f"{max(item.seconds):.3f}",
            f"{item.speed:.2f}",
            f"{item.flipped:.3%}",
        )
    return table


def _as_json(timings: "Sequence[Timing]", size: str, origin: str) -> str:
    lines = [
        {
            "engine": item.about,
            "seconds": item.seconds,
            "median_s": item.median,
            "megapixels_per_s": item.speed,
            "flipped": item.flipped,
        }
        for item in timings
    ]
    return (
        json.dumps({"tile": size, "tiles": origin, "engines": lines}, indent=2) + "\n"
    )
