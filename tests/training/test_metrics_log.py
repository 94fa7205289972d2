"""metrics.csv keeps every row, also when columns come late and runs are resumed."""

import csv
from pathlib import Path

import pytest

from segx.errors import TrainingError
from segx.training.metrics_log import MetricsCsv


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_late_column_leaves_earlier_rows_blank(tmp_path: Path) -> None:
    log = MetricsCsv(tmp_path / "metrics.csv")
    log.log_metrics({"loss": 0.5}, step=0)
    log.log_metrics({"dice": 0.75}, step=1)
    assert rows(log.path) == [
        {"step": "0", "loss": "0.5", "dice": ""},
        {"step": "1", "loss": "", "dice": "0.75"},
    ]


def test_a_resumed_log_goes_on_below_the_old_rows(tmp_path: Path) -> None:
    MetricsCsv(tmp_path / "metrics.csv").log_metrics({"loss": 0.5}, step=0)
    again = MetricsCsv(tmp_path / "metrics.csv")
    again.log_metrics({"loss": 0.25, "rate": 1.0}, step=1)
    assert [row["loss"] for row in rows(again.path)] == ["0.5", "0.25"]
    assert [row["rate"] for row in rows(again.path)] == ["", "1.0"]


def test_steps_that_were_lost_are_logged_once(tmp_path: Path) -> None:
    log = MetricsCsv(tmp_path / "metrics.csv")
    for step in range(5):
        log.log_metrics({"loss": float(step)}, step=step)
    again = MetricsCsv(tmp_path / "metrics.csv", first_step=3)
    again.log_metrics({"loss": 3.0}, step=3)
    assert [row["loss"] for row in rows(again.path)] == ["0.0", "1.0", "2.0", "3.0"]


def test_a_row_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    log = MetricsCsv(tmp_path / "metrics.csv")
    for step in range(3):
        log.log_metrics({"loss": float(step), "rate": 1.0}, step=step)
    log.path.write_text(log.path.read_text()[:-5])
    again = MetricsCsv(log.path, first_step=3)
    again.log_metrics({"loss": 3.0, "rate": 1.0}, step=3)
    assert [row["loss"] for row in rows(log.path)] == ["0.0", "1.0", "3.0"]


def test_a_log_that_was_begun_and_is_empty_goes_on(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").touch()
    log = MetricsCsv(tmp_path / "metrics.csv", first_step=3)
    log.log_metrics({"loss": 3.0}, step=3)
    assert rows(log.path) == [{"step": "3", "loss": "3.0"}]


def test_a_log_that_can_not_be_written_says_what_to_do(tmp_path: Path) -> None:
    log = MetricsCsv(tmp_path / "metrics.csv")
    log.log_metrics({"loss": 1.0}, step=0)
    log.path.unlink()
    log.path.mkdir()
    with pytest.raises(
        TrainingError, match=r"metrics.csv can't be written .*Make room"
    ):
        log.log_metrics({"loss": 2.0}, step=1)
