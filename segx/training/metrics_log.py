"""metrics.csv: one row each time something is logged, kept when a run is resumed."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

from segx.atomic import write_text
from segx.errors import TrainingError

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
        rows = self._rows() if path.is_file() else []
        self._columns = rows[0] if rows else []
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
        """Append a row; a column that is new is added to the rows before.

        Raises:
            TrainingError: If it can't be written, as on a full disk.
        """
        row: dict[str, float | int | None] = {"step": step, **metrics}
        new = [name for name in row if name not in self._columns]
        if new:
            before = self._rows()[1:] if self.path.is_file() else []
            self._columns += new
            blank = [""] * len(new)
            rows = [self._columns, *(old + blank for old in before)]
            with self._writing():
                write_text(self.path, _as_csv(rows))
        cells = [row.get(name) for name in self._columns]
        text = _as_csv([["" if cell is None else cell for cell in cells]])
        with self._writing(), self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(text)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{self.path} can't be written ({error.strerror}); the checkpoints are "
                "as they were. Make room, and go on with --ckpt_path last."
            ) from error

    @rank_zero_only
    def _drop_from(self, step: int) -> None:
        """Leave out what a run that was killed logged after its last checkpoint."""
        place = self._columns.index("step")
        header, *rows = self._rows()
        kept = [row for row in rows if int(row[place]) < step]
        with self._writing():
            write_text(self.path, _as_csv([header, *kept]))

    def _rows(self) -> list[list[Any]]:
        """All rows but one that a full disk or a kill cut off."""
        with self.path.open(encoding="utf-8", newline="") as file:
            return list(csv.reader(line for line in file if line.endswith("\n")))


def _as_csv(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
