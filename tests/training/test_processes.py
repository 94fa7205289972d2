"""Two processes train as one with batches twice as large, and find the same numbers."""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from segx.cli.main import main
from segx.training.processes import is_first
from tests.phantoms import write_cells, write_discs
from tests.training import runs

BRIEF = [
    *("--trainer.max_epochs", "2", "--training.optimizer.lr", "0.0"),
    *("--trainer.limit_train_batches", "1"),
]
TWO = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three validation cases: one of two processes gets one of them a second time."""
    splits = ("train", "val", "test")
    root = tmp_path_factory.mktemp("processes") / "data"
    return write_discs(root, count=3, splits=splits)


def validations(run: Path, *columns: str) -> list[tuple[str, ...]]:
    names = columns or ("val/dice", "val/iou")
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row[names[0]]]
    return [tuple(row[name] for name in names) for row in rows]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "NODE_RANK": "0"}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"RANK": "3", "LOCAL_RANK": "0"}, False),
        ({"SLURM_PROCID": "1", "SLURM_LOCALID": "0"}, False),
    ],
)
def test_one_process_writes_and_speaks(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first() == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trainer.strategy", "none"], "trainer: You selected an invalid strategy"),
        (
            ["--training.freeze_encoder", "1", *TWO],
            "training.freeze_encoder 1: 2 processes can't thaw",
        ),
    ],
)
def test_what_processes_cant_do_is_wrong_use(
    words: list[str],
    message: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(runs.words(data, tmp_path, *words)) == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_two_processes_find_the_numbers_of_one(data: Path, tmp_path: Path) -> None:
    # At a rate of zero all that training moves are batch-norm statistics, and those of
    # the first process count, which begins an epoch with the batch of a single one.
    # Sums are rounded by the number of threads: one for each process, also for one.
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    one = runs.in_process(runs.words(data, tmp_path, *BRIEF, name="one"), env=alone)
    assert one.returncode == 0, one.stderr
    words = runs.words(data, tmp_path, *BRIEF, *TWO, name="two")
    done = runs.in_process(words, env=alone)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained:") == 1
    found = validations(tmp_path / "one")
    assert len(found) == len(validations(tmp_path / "two")) == 2
    assert found == validations(tmp_path / "two")


@pytest.mark.slow
def test_two_processes_find_the_boxes_of_one(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="boxes are scored with segx[detection]")
    data = write_cells(tmp_path / "cells", count=3, splits=("train", "val", "test"))
    words = ["fit", "-c", "retinanet", "--data.root", str(data), "--quiet", *BRIEF]
    words += ["--model.encoder.name", "xception_narrow", "--data.crop", "64"]
    words += ["--data.batch_size", "2", "--trainer.accelerator", "cpu"]
    words += ["--trainer.precision", "32", "--model.detector.score", "0"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, more in (("one", []), ("two", TWO)):
        place = ["--runs", str(tmp_path), "--name", name]
        done = runs.in_process([*words, *place, *more], env=alone)
        assert done.returncode == 0, done.stderr
    found = validations(tmp_path / "one", "val/map50", "val/map/object")
    assert len(found) == 2
    assert found == validations(tmp_path / "two", "val/map50", "val/map/object")


@pytest.mark.slow
def test_two_processes_learn_both_tasks_where_one_lacks_masks_or_labels(
    data: Path, tmp_path: Path
) -> None:
    lines = ["image,mask,label,split"]
    for split in ("train", "val"):
        for number, image in enumerate(sorted((data / split / "images").iterdir())):
            mask = f"{split}/masks/{image.name}" if number % 2 else ""
            label = "" if number % 2 else f"kind{number}"
            lines.append(f"{split}/images/{image.name},{mask},{label},{split}")
    manifest = tmp_path / "both.csv"
    manifest.write_text("\n".join(lines) + "\n")
    words = ["fit", "-c", "multitask", "--data.root", str(data), "--quiet", *BRIEF[:4]]
    words += ["--data.manifest", str(manifest), "--data.batch_size", "1", *TWO[:2]]
    words += ["--model.encoder.name", "xception_narrow", "--data.crop", "64"]
    words += ["--data.steps_per_epoch", "4", "--trainer.accelerator", "cpu"]
    words += ["--runs", str(tmp_path), "--name", "both"]
    done = runs.in_process(words)
    assert done.returncode == 0, done.stderr
    assert len(validations(tmp_path / "both")) == 2


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@pytest.mark.slow
def test_torchrun_and_slurm_start_the_processes_themselves(
    data: Path, tmp_path: Path
) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    port = ["--master-port", _free_port()]
    words = runs.words(data, tmp_path, *BRIEF, *TWO, name="torchrun")
    done = subprocess.run(
        [*torchrun, *port, "-m", "segx", *words], check=False, timeout=280
    )
    assert done.returncode == 0
    assert len(validations(tmp_path / "torchrun")) == 2

    slurm = {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": "segx",
        "SLURM_NODELIST": "127.0.0.1",
        "SLURM_NODEID": "0",
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": _free_port(),
    }
    words = runs.words(data, tmp_path, *BRIEF, *TWO, name="slurm")
    tasks = [
        subprocess.Popen(
            [sys.executable, "-m", "segx", *words],
            env={**os.environ, **slurm, "SLURM_PROCID": rank, "SLURM_LOCALID": rank},
        )
        for rank in ("0", "1")
    ]
    assert [task.wait(280) for task in tasks] == [0, 0]
    assert validations(tmp_path / "slurm") == validations(tmp_path / "torchrun")


@pytest.mark.slow
def test_a_budget_is_one_plan_for_all(data: Path, tmp_path: Path) -> None:
    done = runs.in_process(runs.words(data, tmp_path, *TWO, "--budget", "40s"))
    assert done.returncode == 0, done.stderr
    config = (tmp_path / "a" / "config.yaml").read_text()
    planned = re.search(r"max_steps: (\d+)", config)
    assert planned is not None
    assert runs.last(tmp_path / "a")["global_step"] == int(planned[1])


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(data: Path, tmp_path: Path) -> None:
    learns = ["--trainer.max_epochs", "2", *TWO]
    whole = runs.in_process(runs.words(data, tmp_path, *learns, name="whole"))
    assert whole.returncode == 0, whole.stderr
    # Only the first process is told: the second, which it starts, counts its own steps.
    words = runs.words(data, tmp_path, *learns)
    assert runs.stopped(words, what="training", at=4, number=signal.SIGTERM) == 143
    done = runs.in_process(runs.again(tmp_path))
    assert done.returncode == 0, done.stderr
    found = runs.differences(runs.last(tmp_path / "whole"), runs.last(tmp_path / "a"))
    assert list(found) == []
