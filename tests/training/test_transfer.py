"""A network starts from another one, holds its encoder still, and says what it took."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from segx.artifact import load_model, network_state, save_model
from segx.cli.main import main
from segx.config import FitConfig
from segx.models.encoder import XceptionEncoder
from tests.phantoms import write_classes, write_discs
from tests.training import runs

BRIEF = ["--trainer.max_epochs", "1", "--data.steps_per_epoch", "2"]
# What a learning rate of zero leaves is what a run was started with.
STILL = [*BRIEF, "--training.optimizer.lr", "0.0", "--training.warmup_steps", "0"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def segmenter(place: Path) -> Path:
    return runs.train(write_discs(place / "discs", count=4), place, *BRIEF, name="seg")


@pytest.fixture(scope="module")
def classifier(place: Path) -> Path:
    more = ["--task", "classification", "--model.loss", "CE", "--data.resize", "64"]
    more += ["--training.monitor", "val/auroc", *BRIEF]
    return runs.train(write_classes(place / "classes"), place, *more, name="class")


def weights(run: Path, part: str = "encoder.") -> dict[str, Tensor]:
    state = network_state(runs.last(run)["state_dict"])
    return {name: item for name, item in state.items() if name.startswith(part)}


def parameters(run: Path, part: str = "encoder.") -> dict[str, Tensor]:
    """Without batch-norm statistics, which follow the images also at a rate of zero."""
    found = weights(run, part).items()
    return {name: item for name, item in found if "running" not in name and item.ndim}


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    assert first
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def start(place: Path, tmp_path: Path, source: Path | str, *more: str) -> Path:
    init = ["--model.init_from", str(source), *STILL, *more]
    return runs.train(place / "discs", tmp_path, *init)


def report(run: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((run / "transfer.json").read_text())
    return found


def test_a_segmenter_takes_a_classifiers_encoder(
    place: Path, segmenter: Path, classifier: Path, tmp_path: Path
) -> None:
    run = start(place, tmp_path, classifier, "--model.init_scope", "all")
    assert equal(parameters(run), parameters(classifier))
    said = report(run)
    assert all(name.startswith("encoder.") for name in said["loaded"])
    assert {name.split(".")[0] for name in said["unused"]} == {"class_head"}
    assert {name.split(".")[0] for name in said["random"]} == {"decoder", "mask_head"}


def test_a_classifier_takes_a_segmenters_encoder(
    place: Path, segmenter: Path, classifier: Path, tmp_path: Path
) -> None:
    more = ["--task", "classification", "--model.loss", "CE", "--data.resize", "64"]
    more += ["--training.monitor", "val/auroc", "--model.init_from", str(segmenter)]
    run = runs.train(place / "classes", tmp_path, *more, *STILL)
    assert equal(parameters(run), parameters(segmenter))
    assert {name.split(".")[0] for name in report(run)["random"]} == {"class_head"}


def test_all_takes_decoder_and_head_too(
    place: Path, segmenter: Path, tmp_path: Path
) -> None:
    run = start(place, tmp_path, segmenter, "--model.init_scope", "all")
    assert equal(parameters(run, ""), parameters(segmenter, ""))
    assert report(run)["random"] == report(run)["unused"] == []


@pytest.mark.slow
def test_another_decoder_starts_afresh(
    place: Path, segmenter: Path, tmp_path: Path
) -> None:
    more = ["--model.init_scope", "all", "--model.decoder", "FPN"]
    run = start(place, tmp_path, segmenter, *more)
    assert equal(parameters(run), parameters(segmenter))
    assert any(name.startswith("decoder.") for name in report(run)["random"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["checkpoint", "model folder", "safetensors", "pth"])
def test_every_kind_of_source_gives_the_same_encoder(
    kind: str, place: Path, segmenter: Path, tmp_path: Path
) -> None:
    best = segmenter / "checkpoints" / "best.ckpt"
    model = load_model(best)
    state = model.network.encoder.body.state_dict()
    classifier = {**state, "head.fc.weight": torch.zeros(10, 96)}
    source = {
        "checkpoint": best,
        "model folder": tmp_path / "model",
        "safetensors": tmp_path / "timm.safetensors",
        "pth": tmp_path / "timm.pth",
    }[kind]
    if kind == "model folder":
        save_model(model, source)
    elif kind == "safetensors":
        save_file(classifier, source)
    elif kind == "pth":
        # As torch before 0.4.1 wrote it.
        old = {key: v for key, v in classifier.items() if "_batches_" not in key}
        torch.save(old, source)
    run = start(place, tmp_path, source)
    assert equal(parameters(run), parameters(segmenter))
    timm = kind in {"safetensors", "pth"}
    assert ("head.fc.weight" in report(run)["unused"]) == timm


def test_nothing_in_common_names_the_first_keys_of_both_sides(
    place: Path, segmenter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"layer1.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
    init = ["--model.init_from", str(tmp_path / "resnet.pth")]
    assert main(runs.words(place / "discs", tmp_path, *init)) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "'stem.0.conv.weight'" in message
    assert "layer1.weight" in message
    assert not (tmp_path / "a").exists()


def test_a_source_that_is_not_there_is_said_before_data_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init = ["--model.init_from", str(tmp_path / "none")]
    assert main(runs.words(tmp_path / "no data", tmp_path, *init)) == 1
    assert "There is no model at" in capsys.readouterr().err


def test_weights_that_have_seen_a_test_case_are_refused(
    place: Path, segmenter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(place / "discs", tmp_path / "data")
    for kind in ("images", "masks"):
        seen = data / "train" / kind / "train0.png"
        seen.rename(data / "test" / kind / "seen.png")
    for source in (segmenter, segmenter / "checkpoints" / "best.ckpt"):
        words = runs.words(data, tmp_path, "--model.init_from", str(source), *STILL)
        assert main(words) == 1
        assert "is the image of train0" in " ".join(capsys.readouterr().err.split())


def test_the_key_of_earlier_versions_means_the_same() -> None:
    encoder = {"name": "xception_narrow", "weights": "runs/a"}
    config = FitConfig.model_validate({"model": {"encoder": encoder}})
    assert config.model.init_from == "runs/a"
    assert "weights" not in config.model.encoder.model_dump()
    assert FitConfig.model_validate({"model": {"encoder": {"weights": None}}}) == (
        FitConfig()
    )


@pytest.mark.parametrize(
    "epochs", ["all", "3", pytest.param("1", marks=pytest.mark.slow)]
)
def test_a_frozen_encoder_keeps_weights_and_statistics(
    epochs: str,
    place: Path,
    segmenter: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ["--model.init_from", str(segmenter), "--training.freeze_encoder", epochs]
    frozen = runs.train(place / "discs", tmp_path, *more, *BRIEF)
    assert equal(weights(frozen), weights(segmenter))
    decoder = parameters(frozen, "decoder."), parameters(segmenter, "decoder.")
    assert decoder[0].keys() == decoder[1].keys()
    assert not equal(*decoder)
    unthawed = "The encoder has not learnt" in capsys.readouterr().err
    assert unthawed == (epochs == "3")
    if epochs == "1":
        assert main(runs.again(tmp_path, "--trainer.max_epochs", "2")) == 0
        thawed, before = weights(frozen), weights(segmenter)
        same = [
            name
            for name, item in thawed.items()
            if item.is_floating_point() and torch.equal(item, before[name])
        ]
        assert same == []


def test_the_stages_of_every_encoder_rise_from_1_to_5() -> None:
    for name in ("legacy_xception", "xception41p", "xception_narrow"):
        encoder = XceptionEncoder(name, 3)
        stages = [encoder.stage(key) for key in encoder.state_dict()]
        assert stages == sorted(stages)
        assert set(stages) == {1, 2, 3, 4, 5}
