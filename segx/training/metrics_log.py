"""metrics.csv: one row each time something is logged, kept when a run is resumed."""

import csv
import io
from pathlib import Path
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

from segx.atomic import write_text

__all__ = ["MetricsCsv"]


class MetricsCsv(Logger):
    """Lightning's CSV logger would delete the rows of an earlier part of the run.

    Args:
        path: The file; rows that it holds already are kept.
        first_step: Step that a run goes on with; rows of steps from there on, which
            were lost, are left out.
    """

    def __init__(self, path: Path, *, first_step: int | None = None) -> None:
        super().__init__()
        self.path = path
        self._columns = self._rows()[:1][0] if path.is_file() else []
        if self._columns and first_step is not None:
            self._drop_from(first_step)

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.path.parent.name

    @property
    def version(self) -> str:
        """A run has one version: it is resumed, never overwritten."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml says it all."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append a row; a column that is new is added to the rows before."""
        row: dict[str, float | int | None] = {"step": step, **metrics}
        new = [name for name in row if name not in self._columns]
        if new:
            before = self._rows()[1:] if self.path.is_file() else []
            self._columns += new
            blank = [""] * len(new)
            rows = [self._columns, *(old + blank for old in before)]
            write_text(self.path, _as_csv(rows))
        cells = [row.get(name) for name in self._columns]
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(_as_csv([["" if cell is None else cell for cell in cells]]))

    @rank_zero_only
    def _drop_from(self, step: int) -> None:
        """Leave out what a run that was killed logged after its last checkpoint."""
        place = self._columns.index("step")
        header, *rows = self._rows()
        kept = [row for row in rows if int(row[place]) < step]
        if len(kept) < len(rows):
            write_text(self.path, _as_csv([header, *kept]))

    def _rows(self) -> list[list[Any]]:
        with self.path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))


def _as_csv(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
