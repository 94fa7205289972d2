"""Runs of earlier versions predict, go on, and give their weights.

`run-0.1.0.tar.xz` is a run of commit d0191fb on five painted discs, with the narrow
encoder, two epochs of three steps. Then each tensor was filled with its mean, so that
the file packs well; keys, shapes and types are as that version wrote them.
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

import segx
from segx.artifact import read_spec
from segx.cli.main import main
from segx.training.position import Position
from segx.training.run import RunFolder
from tests.phantoms import write_discs
from tests.training import runs

ARCHIVES = sorted(Path(__file__).parent.glob("run-*.tar.xz"))


@pytest.fixture(params=ARCHIVES, ids=[path.name for path in ARCHIVES])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    """An unpacked run beside the data that it was trained on."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    run = RunFolder(tmp_path / request.param.name.removesuffix(".tar.xz"))
    data = write_discs(tmp_path / "data", count=5, size=(40, 40), splits=("train",))
    config = run.config_file.read_text().replace("root: data\n", f"root: {data}\n")
    run.config_file.write_text(config)
    return run


def test_it_is_small() -> None:
    assert ARCHIVES
    assert sum(path.stat().st_size for path in ARCHIVES) < 200_000


def test_it_predicts(old: RunFolder) -> None:
    image = np.random.default_rng(0).integers(0, 255, (61, 83, 3), dtype=np.uint8)
    for source in (old.path, old.best, old.last):
        assert segx.load(source, device="cpu").predict(image).shape == (61, 83)
    assert read_spec(old.path).encoder.name == "xception_narrow"


def test_it_goes_on_where_it_stood(old: RunFolder) -> None:
    before = torch.load(old.last, weights_only=True)
    assert Position.in_checkpoint(before) == Position(epoch=2, batch=0)
    more = runs.again(old.path.parent, "--trainer.max_epochs", "3", name=old.path.name)
    assert main(more) == 0
    after = torch.load(old.last, weights_only=True)
    assert after["global_step"] == before["global_step"] + 3
    assert Position.in_checkpoint(after) == Position(epoch=3, batch=0)
    assert old.previous.is_file()


@pytest.mark.slow
def test_another_run_starts_from_it(old: RunFolder) -> None:
    folder = old.path.parent
    init = ["--model.init_from", str(old.path), "--trainer.max_epochs", "1"]
    run = runs.train(folder / "data", folder, *init, "--data.crop", "32")
    assert (run / "transfer.json").is_file()
