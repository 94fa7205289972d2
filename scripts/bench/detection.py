"""Both detectors after the same training time, and what tiles do to their boxes.

    python scripts/bench/detection.py --data DIR/dsb2018_nuclei --seconds 600 \
        --json out.json

The data set is a folder with train/ and test/, each with images/ and instances/. Each
detector is trained and tested (mAP of the test images at their own size). Then a mosaic
of the test images is searched in one piece and in tiles. Of the tiles it is told what
segx makes of them, and what non-maximum suppression alone would: how many boxes there
are, and how many true objects are found and have two boxes (see `box_borders.py`). So
that only the tiles differ, the look in one piece is allowed as many more proposals and
boxes as it has more pixels.

With --keep FOLDER every finished line is kept, and an interrupted bench goes on.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import peers
from box_borders import count_borders
from kept import kept, place_of, write_lines
from mosaic import mosaic, mosaic_boxes
from options import as_flags, bench_parser
from peers import console
from rich.table import Table

import segx
from segx.artifact import Model, load_model, save_model
from segx.boxes import Detections, merge_tiles, suppress
from segx.config import Choice
from segx.evaluation.records import Json
from segx.scans import ArrayScan

__all__ = ["main"]

DETECTORS = ("faster_rcnn", "retinanet")


def main() -> None:
    """Measure all detectors, print tables, write the JSON."""
    arguments = _parser().parse_args()
    with place_of(arguments.keep) as folder:
        lines = [
            _Trial(config, seed, arguments, folder).line()
            for seed in arguments.seeds
            for config in arguments.detectors
        ]
    console.print(_score_table(lines), _border_table(lines))
    write_lines(arguments.json, lines)


@dataclass(frozen=True)
class _Trial:
    """One detector and seed."""

    config: str
    seed: int
    arguments: argparse.Namespace
    folder: Path

    def line(self) -> dict[str, Json]:
        """The line kept by an earlier call, or a new one."""
        told = self.arguments
        name = f"{told.data.name}-{self.config}-seed{self.seed}-{told.seconds:g}s"
        settings: dict[str, Json] = {
            "detector": self.config,
            "data": told.data.name,
            "seed": self.seed,
            "budget_s": told.seconds,
            "side": told.side,
            "tile": told.tile,
            "settings": told.option,
        }
        run = self.folder / "runs" / name
        path = self.folder / "lines" / f"{name}.json"
        return kept(path, settings, lambda: self._new(run))

    def _new(self, run: Path) -> dict[str, Json]:
        told = self.arguments
        command = peers.segx("fit", "-c", self.config, "--data.root", told.data)
        command += ["--budget", f"{told.seconds:g}s", "--seed", str(self.seed)]
        command += as_flags(told.option)
        spent_s, steps = peers.fit(command, run)
        summary = json.loads((run / "test" / "summary.json").read_text("utf-8"))
        scores = {name: item["value"] for name, item in summary["scores"].items()}
        borders = self._borders(run)
        return {"spent_s": spent_s, "steps": steps, "scores": scores, **borders}

    def _borders(self, run: Path) -> dict[str, Json]:
        """The mosaic in one piece and in tiles, against its true boxes."""
        told = self.arguments
        times = round((told.side / told.tile) ** 2)
        larger = _allowing(times, load_model(run), run / "larger")
        pixels = mosaic(told.data / "test" / "images", told.side).pixels
        truth = mosaic_boxes(told.data / "test" / "instances", told.side)
        scan = ArrayScan(pixels)
        whole = segx.load_detector(larger, tile=told.side).detect(pixels)
        tiled = segx.load_detector(run, tile=told.tile)
        grid = tiled.tiles(scan)
        parts = [boxes for batch in tiled.find(scan, grid) for boxes in batch]
        looks = list(zip(grid, parts, strict=True))
        found = {
            "one piece": whole,
            "tiles": merge_tiles(looks, scan.extent),
            "tiles, NMS alone": suppress(Detections.joined(parts)),
        }
        counts: dict[str, Json] = {
            how: asdict(count_borders(boxes.boxes, truth, grid, scan.extent))
            for how, boxes in found.items()
        }
        return {"objects": len(truth), "grid": len(grid), "looks": counts}


def _allowing(times: int, model: Model, folder: Path) -> Path:
    """The same weights, with so many times the proposals and boxes an image."""
    detector = model.spec.detector
    if detector is None:
        raise SystemExit(f"{model.source} is no detector.")
    bounds = {"proposals", "detections"} & set(detector.options)
    more = {name: times * detector.options[name] for name in bounds}
    options = {**detector.options, **more}
    change = {"detector": Choice(name=detector.name, options=options)}
    spec = model.spec.model_copy(update=change)
    return save_model(Model(model.network, spec, model.source), folder)


def _score_table(lines: list[dict[str, Json]]) -> Table:
    columns = ("detector", "seed", "training s", "steps", "mAP@50", "mAP")
    table = Table(*columns, title="Scores of the test images")
    for line in lines:
        scores = line["scores"]
        table.add_row(
            str(line["detector"]),
            str(line["seed"]),
            f"{line['spent_s']:.0f}",
            str(line["steps"]),
            *(
                _number(scores.get(name)) if isinstance(scores, dict) else "-"
                for name in ("map50", "map")
            ),
        )
    return table


def _border_table(lines: list[dict[str, Json]]) -> Table:
    table = Table(title="A mosaic in one piece and in tiles, against the truth")
    for column in ("detector", "seed", "look", "boxes", "objects", "found", "doubled"):
        table.add_column(column)
    for column in ("near borders", "found", "doubled"):
        table.add_column(column)
    for line in lines:
        looks = line["looks"]
        for look, counts in looks.items() if isinstance(looks, dict) else ():
            if isinstance(counts, dict):
                boxes, *others = (str(count) for count in counts.values())
                head = (str(line["detector"]), str(line["seed"]), look)
                table.add_row(*head, boxes, str(line["objects"]), *others)
    return table


def _number(value: Json) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-"


def _parser() -> argparse.ArgumentParser:
    parser = bench_parser(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the set")
    parser.add_argument("--seconds", type=float, default=600, help="time to train")
    parser.add_argument(
        "--detectors", nargs="+", choices=DETECTORS, default=DETECTORS, help="configs"
    )
    parser.add_argument("--side", type=int, default=2048, help="px of the mosaic")
    parser.add_argument("--tile", type=int, default=512, help="px of a tile")
    parser.add_argument(
        "--option",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="keys to change in the configs: data.batch_size=2",
    )
    return parser


if __name__ == "__main__":
    main()
