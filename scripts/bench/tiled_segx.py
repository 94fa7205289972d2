"""segx as a peer of `tiled.py`: a runtime and precision, or what it chooses itself."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tiled_peer import Clock, Job, job_parser, measure

import segx
from segx.inference.outputs import Wanted
from segx.inference.predictor import Predictor
from segx.inference.runtimes import Runtime
from segx.inference.writer import predict_file

__all__ = ["main"]


def main() -> None:
    """Measure segx; ``--option tile=256`` and the like go to `segx.load`."""
    parser = job_parser(__doc__)
    parser.add_argument("--option", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--own-plan", action="store_true", help="leave tile and overlap to segx"
    )
    arguments = parser.parse_args()
    options = dict(option.split("=", 1) for option in arguments.option)
    own = arguments.own_plan
    measure(lambda job: _Segx(job, options, own_plan=own), Job.of(arguments))


class _Segx:
    def __init__(self, job: Job, options: dict[str, str], *, own_plan: bool) -> None:
        plan = {} if own_plan else {"tile": job.tile, "overlap": job.overlap}
        # A runtime or a precision that this segx does not know ends the peer here.
        wanted = {"device": job.device, **plan, **options}
        self._predictor = segx.load(job.run, **wanted)  # type: ignore[arg-type]
        self._runtime = _runtime(self._predictor)
        self.clock = Clock(job.device)
        self._run = self._runtime.run
        self._runtime.run = self._timed  # type: ignore[method-assign]

    @property
    def about(self) -> str:
        return self._runtime.about

    def predict(self, scan: Path, out: Path) -> Path:
        wanted = Wanted(overlay=False)
        return predict_file(self._predictor, scan, out, wanted=wanted).masks[0]

    def _timed(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        with self.clock.count(tiles.shape):
            return self._run(tiles)


def _runtime(predictor: Predictor) -> Runtime:
    """The engine in which a predictor's only network runs."""
    return predictor.members.members[0].runtime


if __name__ == "__main__":
    main()
