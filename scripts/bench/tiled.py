"""Tiled inference from a scan on disk to its mask on disk: segx against its peers.

    python scripts/bench/tiled.py --run RUN --pictures DIR/isic_skin_fullres/images \
        --python-nnunet NNUNET/bin/python --python-tiatoolbox TIATOOLBOX/bin/python \
        --json out.json

    python scripts/bench/tiled.py --run RUN --pictures DIR --side 1024 --rounds 1

Same weights, same scan, same size and overlap of tiles for all; only ``own plan`` takes
those that segx chooses, its Hann weights, and its fastest runtime. RUN is a
segmentation of RGB pictures that `segx fit` trained, and that ``segx export RUN
--int8`` has quantised for the row in int8; the scan is made of the pictures in a
folder. Each peer is a process of its own (`tiled_*.py`, which say how to install it).
They take turns, `--rounds` times, so that a machine that slows down slows all of them.
Leave OMP_NUM_THREADS unset. On a GPU: ``--device cuda --side 16384``.

Wall time reaches from the scan's file to the mask's; loading the model and a first,
small scan do not count. The network's share is measured around its forward pass.
Ratios are of wall times within a round. Masks are held against those of MONAI in
float32, Gaussian weights and blended probabilities as in segx's rows. Where strides
don't divide a scan, MONAI moves the last tile and segx all of them; at a side such as
4352 = 512 + 10 * 384 the grids are one. A peer that can't run has its error in the
table.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import peers
from mosaic import mosaic, write_scan
from numpy.typing import NDArray
from peers import console
from rich.table import Table

from segx.evaluation.records import Json, write_json
from segx.scans import open_scan

__all__ = ["Contender", "Line", "Report", "main"]

DEFAULTS, TUNED, REFERENCE = "MONAI defaults", "MONAI tuned", "MONAI fp32 gaussian"


@dataclass(frozen=True)
class Contender:
    """A peer and how it is called.

    Args:
        name: What the table calls it.
        script: Its script beside this one.
        options: Further arguments.
        python: The interpreter that has its packages.
        once: Whether it runs in the first round only.
    """

    name: str
    script: str
    options: tuple[str, ...] = ()
    python: Path = Path(sys.executable)
    once: bool = False


@dataclass(frozen=True)
class Report:
    """What one run of a peer measured; see `tiled_peer.measure`.

    Args:
        about: Engine, device and precision.
        load_s: Seconds to load the model.
        warm_up_s: Seconds for the first, small scan.
        wall_s: Seconds for the scan.
        forward_s: Seconds of these in the network.
        forward_pixels: Pixels that went through the network.
        mask: The mask's file.
    """

    about: str
    load_s: float
    warm_up_s: float
    wall_s: float
    forward_s: float
    forward_pixels: int
    mask: str


@dataclass(frozen=True)
class Line:
    """What one peer reached over all rounds.

    Args:
        peer: Its name.
        reports: One a round.
        mpx_s: Median million pixels of the scan a second.
        forward_share: Median share of the wall time in the network.
        peak_share: Forward FLOP/s ÷ the machine's matmul peak in the peer's precision;
            None where that was not measured.
        equal: Share of mask pixels that are the reference's.
        faster_than_defaults: Least, median and greatest ratio of wall times.
        faster_than_tuned: Likewise.
        error: Why there is nothing else.
    """

    peer: str
    reports: tuple[Report, ...] = ()
    mpx_s: float | None = None
    forward_share: float | None = None
    peak_share: float | None = None
    equal: float | None = None
    faster_than_defaults: tuple[float, float, float] | None = None
    faster_than_tuned: tuple[float, float, float] | None = None
    error: str | None = None


def main() -> None:
    """Make the scan, measure all peers, print the table, write the JSON."""
    arguments = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="segx-tiled-") as folder:
        bench = _Bench(arguments, Path(folder))
        for number in range(arguments.rounds):
            bench.round(number)
        lines = bench.lines()
    console.print(_table(lines, side=arguments.side))
    for line in lines:
        if line.error is not None:
            console.print(f"{line.peer}: {line.error}", markup=False)
    for name, speed in bench.peak.items():
        console.print(f"matmul peak in {name}: {speed / 1e9:.0f} GFLOP/s")
    if arguments.json:
        content: dict[str, Json] = {
            "environment": peers.environment(),
            "side": arguments.side,
            "tile": arguments.tile,
            "overlap": arguments.overlap,
            "flops_per_pixel": bench.flops_per_pixel,
            "peak": bench.peak,
            "lines": [asdict(line) for line in lines],
        }
        write_json(arguments.json, content)


class _Bench:
    """A scan, the peers, and what they have reported so far."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._arguments = arguments
        self._folder = folder
        pixels = mosaic(arguments.pictures, arguments.side).pixels
        self._scan = write_scan(folder / "scan.tif", pixels)
        # Four tiles: as many as any peer takes at once, or half as many.
        first = round(arguments.tile * (2 - arguments.overlap))
        self._warm_up = write_scan(folder / "warm-up.tif", pixels[:first, :first])
        self._contenders = [
            contender
            for contender in _contenders(arguments)
            if not arguments.only or _is_wanted(contender.name, arguments.only)
        ]
        self._reports: dict[str, list[Report]] = {}
        self._errors: dict[str, str] = {}
        self.peak: dict[str, float] = {}
        self.flops_per_pixel = 0.0

    def round(self, number: int) -> None:
        """Let every peer run once, and the machine's peak be measured again."""
        self._measure_peak(self._folder / f"peak{number}")
        for place, contender in enumerate(self._contenders):
            if contender.name in self._errors or (contender.once and number):
                continue
            out = self._folder / f"round{number}" / f"peer{place}"
            if error := self._run(contender, out):
                self._errors[contender.name] = error

    def lines(self) -> list[Line]:
        """One line a peer, in the order in which they run."""
        reference = self._reports.get(REFERENCE)
        truth = _mask(reference[-1]) if reference else None
        return [
            self._line(contender.name, truth=truth) for contender in self._contenders
        ]

    def _measure_peak(self, out: Path) -> None:
        arguments = self._arguments
        command = peers.script("peak.py", "--run", arguments.run, "--out", out)
        command += ["--tile", str(arguments.tile), "--device", arguments.device]
        peers.run(command, log=out.with_suffix(".log"))
        found = json.loads((out / "peak.json").read_text(encoding="utf-8"))
        self.flops_per_pixel = found["flops_per_pixel"]
        for name, speed in found["peak"].items():
            self.peak[name] = max(speed, self.peak.get(name, 0.0))

    def _run(self, contender: Contender, out: Path) -> str | None:
        """Run one peer; why it failed, if it did."""
        arguments = self._arguments
        if not contender.python.is_file():
            return f"there is no interpreter {contender.python}"
        command = peers.script(contender.script, python=contender.python)
        command += ["--run", str(arguments.run), "--out", str(out)]
        command += ["--scan", str(self._scan), "--warm-up", str(self._warm_up)]
        command += ["--tile", str(arguments.tile), "--device", arguments.device]
        command += ["--overlap", str(arguments.overlap), *contender.options]
        log = out.with_suffix(".log")
        code, _ = peers.attempt(command, log=log)
        if code:
            return peers.last_line(log) or f"ended with {code}"
        fields = json.loads((out / "report.json").read_text(encoding="utf-8"))
        self._reports.setdefault(contender.name, []).append(Report(**fields))
        return None

    def _line(self, name: str, *, truth: NDArray[np.uint8] | None) -> Line:
        reports = self._reports.get(name, [])
        if not reports or name in self._errors:
            return Line(name, error=self._errors.get(name, "did not run"))
        mask = _mask(reports[-1])
        wall_s = statistics.median(report.wall_s for report in reports)
        shares = [report.forward_s / report.wall_s for report in reports]
        precision = set(reports[-1].about.split()) & self.peak.keys()
        peak = self.peak[precision.pop()] if precision else None
        return Line(
            name,
            reports=tuple(reports),
            mpx_s=mask.size / 1e6 / wall_s,
            forward_share=statistics.median(shares),
            peak_share=self._flop_s(reports) / peak if peak else None,
            equal=None if truth is None else float((mask == truth).mean()),
            faster_than_defaults=self._ratio(DEFAULTS, reports),
            faster_than_tuned=self._ratio(TUNED, reports),
        )

    def _flop_s(self, reports: Sequence[Report]) -> float:
        """Floating-point operations a second in the network."""
        return self.flops_per_pixel * statistics.median(
            report.forward_pixels / report.forward_s for report in reports
        )

    def _ratio(
        self, rival: str, reports: Sequence[Report]
    ) -> tuple[float, float, float] | None:
        """Least, median and greatest ratio of a rival's wall time to a peer's."""
        if rival in self._errors or rival not in self._reports:
            return None
        # The reference runs in the first round only.
        pairs = zip(self._reports[rival], reports, strict=False)
        ratios = [theirs.wall_s / ours.wall_s for theirs, ours in pairs]
        return min(ratios), statistics.median(ratios), max(ratios)


def _contenders(arguments: argparse.Namespace) -> list[Contender]:
    nnunet, tiatoolbox = arguments.python_nnunet, arguments.python_tiatoolbox
    engines = [("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32")]
    engines += [("openvino", name) for name in ("fp32", "bf16", "int8")]
    return [
        Contender(REFERENCE, "tiled_monai.py", ("--variant", "reference"), once=True),
        Contender(DEFAULTS, "tiled_monai.py", ("--variant", "defaults")),
        Contender(TUNED, "tiled_monai.py", ("--variant", "tuned")),
        Contender("nnU-Net", "tiled_nnunet.py", python=nnunet),
        Contender("TIAToolbox", "tiled_tiatoolbox.py", python=tiatoolbox),
        *(
            Contender(
                f"segx {name} {kind}",
                "tiled_segx.py",
                ("--option", "blend=gaussian", f"runtime={name}", f"precision={kind}"),
            )
            for name, kind in engines
        ),
        Contender("segx own plan", "tiled_segx.py", ("--own-plan",)),
    ]


def _is_wanted(name: str, parts: Sequence[str]) -> bool:
    return any(part.lower() in name.lower() for part in parts)


def _mask(report: Report) -> NDArray[np.uint8]:
    """Ids, shape (rows, cols)."""
    with open_scan(Path(report.mask), as_mask=True) as scan:
        return np.asarray(scan.read_all()[..., 0], np.uint8)


def _table(lines: Sequence[Line], *, side: int) -> Table:
    table = Table(title=f"Tiled inference, {side} x {side} px")
    for column in ("peer", "runs on", "wall s", "Mpx/s", "in forward", "of peak"):
        table.add_column(column)
    for column in ("mask equal", f"x {DEFAULTS}", f"x {TUNED}"):
        table.add_column(column)
    for line in lines:
        if line.error is not None:
            table.add_row(line.peer, "not measured, see below")
            continue
        walls = [report.wall_s for report in line.reports]
        table.add_row(
            line.peer,
            line.reports[-1].about,
            f"{statistics.median(walls):.1f} ({min(walls):.1f}-{max(walls):.1f})",
            f"{line.mpx_s:.2f}",
            _percent(line.forward_share, digits=0),
            _percent(line.peak_share, digits=0),
            _percent(line.equal, digits=2),
            _range(line.faster_than_defaults),
            _range(line.faster_than_tuned),
        )
    return table


def _percent(share: float | None, *, digits: int) -> str:
    return "-" if share is None else f"{share:.{digits}%}"


def _range(ratio: tuple[float, float, float] | None) -> str:
    return "-" if ratio is None else "{1:.2f} ({0:.2f}-{2:.2f})".format(*ratio)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(sys.executable)
    parser.add_argument("--run", type=Path, required=True, help="a run of segx fit")
    parser.add_argument(
        "--pictures", type=Path, required=True, help="folder of RGB pictures"
    )
    parser.add_argument("--side", type=int, default=4096, help="of the scan, in pixels")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--overlap", type=float, default=0.25)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--only", nargs="*", default=[], help="peers whose name holds one of these"
    )
    parser.add_argument("--python-nnunet", type=Path, default=here)
    parser.add_argument("--python-tiatoolbox", type=Path, default=here)
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser


if __name__ == "__main__":
    main()
