"""An encoder moves from classifier to segmenter and back, from any kind of source."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from segx.artifact import load_model, save_model
from segx.cli.main import main
from segx.models.encoder import XceptionEncoder
from segx.training.learner import Learner
from tests.phantoms import write_classes, write_discs

SMALL = [
    *("--data.batch_size", "2", "--data.steps_per_epoch", "1", "--data.workers", "0"),
    *("--trainer.max_steps", "1", "--training.warmup_steps", "0"),
    *("--training.overlays", "0", "--model.encoder.name", "xception_narrow"),
]
TASKS = {
    "classify": (write_classes, ["--data.resize", "64"]),
    "unet": (write_discs, ["--data.crop", "64"]),
}


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """The encoder's tensors when a training begins."""
    tensors: dict[str, Tensor] = {}
    start = Learner.on_train_start

    def on_train_start(learner: Learner) -> None:
        start(learner)
        state = learner.network.encoder.state_dict()
        tensors.update({name: item.clone() for name, item in state.items()})

    monkeypatch.setattr(Learner, "on_train_start", on_train_start)
    return tensors


def train(task: str, folder: Path, *, weights: Path | None = None) -> Path:
    write, size = TASKS[task]
    data = folder / f"{task}-data"
    if not data.exists():
        write(data)
    words = ["fit", "-c", task, "--data.root", str(data), "--runs", str(folder), "-q"]
    name = f"{task}-{weights.stem}" if weights else task
    start = ["--model.init_from", str(weights)] if weights else []
    assert main([*words, "--name", name, *size, *SMALL, *start]) == 0
    return folder / name


def are_equal(begun: dict[str, Tensor], source: dict[str, Tensor]) -> bool:
    assert begun.keys() == source.keys()
    return all(torch.equal(begun[name], source[name]) for name in source)


@pytest.mark.parametrize(
    ("first", "second"), [("classify", "unet"), ("unet", "classify")]
)
def test_a_run_of_one_task_starts_the_other(
    first: str, second: str, tmp_path: Path, begun: dict[str, Tensor]
) -> None:
    run = train(first, tmp_path)
    trained = load_model(run)
    assert not are_equal(begun, trained.network.encoder.state_dict())  # it has learnt
    train(second, tmp_path, weights=run)
    assert are_equal(begun, trained.network.encoder.state_dict())
    folder = save_model(trained, tmp_path / "folder")
    train(second, tmp_path, weights=folder)
    assert are_equal(begun, trained.network.encoder.state_dict())


@pytest.mark.parametrize("task", ["classify", "unet"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_state_dict_of_timm_starts_either_task(
    task: str, suffix: str, tmp_path: Path, begun: dict[str, Tensor]
) -> None:
    torch.manual_seed(5)
    source = XceptionEncoder("xception_narrow", 3)
    state = {**source.body.state_dict(), "head.fc.weight": torch.zeros(1000, 96)}
    path = tmp_path / f"timm{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    train(task, tmp_path, weights=path)
    assert are_equal(begun, source.state_dict())


def test_weights_ported_from_keras_fit_the_original_xception(tmp_path: Path) -> None:
    # timm's legacy_xception.tf_in1k: conv1 … bn4 and fc, without counts of batches.
    from segx.pretrained import load_encoder_weights

    torch.manual_seed(6)
    source = XceptionEncoder("legacy_xception", 3)
    state = {
        name: item
        for name, item in source.body.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    state |= {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    assert "conv1.weight" in state
    save_file(state, tmp_path / "legacy_xception.tf_in1k.safetensors")
    target = XceptionEncoder("legacy_xception", 3)
    load_encoder_weights(target, str(tmp_path / "legacy_xception.tf_in1k.safetensors"))
    assert are_equal(target.state_dict(), source.state_dict())
