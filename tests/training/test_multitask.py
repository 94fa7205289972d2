"""Masks and classes at once: what an image lacks has no part, the rest has all."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

import segx
from segx.cli.main import main
from segx.config import (
    Choice,
    EncoderConfig,
    HeadConfig,
    InferenceConfig,
    TrainingConfig,
)
from segx.data.case import Case
from segx.data.dataset import Batch
from segx.errors import ConfigError
from segx.labels import UNKNOWN, Labels
from segx.models.network import Prediction
from segx.scans.intensity import Intensity
from segx.spec import ModelSpec
from segx.training.loss_choice import MultitaskLosses, balanced, check_loss
from segx.training.multitask import MultiTask
from tests.phantoms import write_manifest

LOSS = {"name": "Multitask", "masks": "DiceCE", "classes": "CE"}
NAMES = ("a", "b", "c")


def task(**options: object) -> MultiTask:
    spec = ModelSpec(
        task="multitask",
        encoder=EncoderConfig(name="xception_narrow"),
        decoder=Choice(name="UNet"),
        head=HeadConfig(),
        in_channels=3,
        labels=Labels("binary", ("background", "cell")),
        class_names=NAMES,
        intensity=Intensity.for_dtype(np.uint8, 3, mean=0.5, std=0.5),
        resize=(32, 32),
        inference=InferenceConfig(),
    )
    torch.manual_seed(0)
    loss = Choice.model_validate({**LOSS, **options})
    return MultiTask(spec, loss=loss, training=TrainingConfig())


def batch(masked: list[int], labelled: list[int]) -> Batch:
    random = torch.Generator().manual_seed(0)
    masks = torch.randint(2, (4, 32, 32), generator=random)
    labels = torch.tensor([0, 2, 1, 2])
    at = torch.arange(4)
    return Batch(
        image=torch.randn(4, 3, 32, 32, generator=random),
        mask=masks[masked] if masked else None,
        label=labels[labelled] if labelled else None,
        case=at,
        plane=torch.zeros(4, dtype=torch.int64),
        masked=torch.tensor(masked, dtype=torch.int64),
        labelled=torch.tensor(labelled, dtype=torch.int64),
    )


def prediction() -> Prediction:
    random = torch.Generator().manual_seed(1)
    masks = torch.randn(4, 1, 32, 32, generator=random).requires_grad_()
    return Prediction(masks, torch.randn(4, 3, generator=random).requires_grad_())


def gradients(of: MultiTask, given: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    made = prediction()
    assert made.mask_logits is not None
    assert made.class_logits is not None
    loss = of.balance(*of.losses_of(made, given))
    found = torch.autograd.grad(
        loss, [made.mask_logits, made.class_logits], materialize_grads=True
    )
    return found[0], found[1]


def test_what_an_image_lacks_changes_nothing() -> None:
    learner = task()
    masked, labelled = [0, 2, 3], [1, 2]
    of_masks, of_classes = gradients(learner, batch(masked, labelled))
    only_masks, nothing = gradients(learner, batch(masked, []))
    none, only_classes = gradients(learner, batch([], labelled))
    torch.testing.assert_close(of_masks, only_masks)
    torch.testing.assert_close(of_classes, only_classes)
    assert not of_masks[1].any()
    assert not of_classes[[0, 3]].any()
    assert not nothing.any()
    assert not none.any()


def test_the_gradient_is_that_of_the_images_that_have_it() -> None:
    learner = task()
    given = batch([0, 2], [])
    of_masks, _ = gradients(learner, given)
    made = prediction()
    assert made.mask_logits is not None
    alone = learner.loss(made.mask_logits[[0, 2]], given.mask)
    (expected,) = torch.autograd.grad(alone, made.mask_logits)
    torch.testing.assert_close(of_masks, expected)


def test_the_weights_scale_each_task() -> None:
    everything = list(range(4))
    plain = gradients(task(), batch(everything, everything))
    scaled = gradients(
        task(mask_weight=2.0, class_weight=0.25), batch(everything, everything)
    )
    torch.testing.assert_close(scaled[0], 2 * plain[0])
    torch.testing.assert_close(scaled[1], plain[1] / 4)


def test_the_encoder_runs_once_and_learns_from_both() -> None:
    learner = task()
    calls = []
    learner.network.encoder.register_forward_hook(lambda *_: calls.append(1))
    for masked, labelled in (([0, 1], []), ([], [2, 3])):
        learner.network.zero_grad()
        given = batch(masked, labelled)
        learner.balance(*learner.losses_of(learner(given.image), given)).backward()
        stem = next(learner.network.encoder.parameters())
        assert stem.grad is not None
        assert stem.grad.any()
    assert len(calls) == 2


def test_learned_weights_are_learnt() -> None:
    learner = task(learned=True)
    learner.trainer = pl.Trainer(accelerator="cpu", logger=False, barebones=True)
    optimizer = learner.configure_optimizers()["optimizer"]  # type: ignore[index, call-overload]
    groups = optimizer.param_groups  # type: ignore[union-attr]
    known = {id(item) for group in groups for item in group["params"]}
    assert learner.balance.log_variances is not None
    assert id(learner.balance.log_variances) in known
    assert {id(item) for item in learner.network.parameters()} < known


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "DiceCE"}, "Did you mean|Allowed: Multitask"),
        ({"masks": "DiceC"}, "Did you mean"),
        ({"classes": {"name": "CE", "smoothing": 1}}, "no such key"),
        ({"class_wieght": 2}, "Did you mean class_weight"),
        ({"classes": None}, "classes"),
    ],
)
def test_wrong_losses_are_refused(options: dict[str, object], message: str) -> None:
    choice = Choice.model_validate({**LOSS, **options})
    with pytest.raises(ConfigError, match=message):
        check_loss(choice, task="multitask")


def test_balanced_weights_give_all_classes_the_same_sum() -> None:
    cases = [Case(str(k), Path(f"{k}.png"), label=min(k, 2)) for k in range(12)]
    choice = Choice.model_validate({"name": "CE", "class_weights": "balanced"})
    check_loss(choice, task="classification")
    found = balanced(choice, Labels("multiclass", NAMES), cases)
    weights = np.array(found.options["class_weights"])
    assert weights * [1, 1, 10] == pytest.approx([4, 4, 4])
    inside = Choice.model_validate({**LOSS, "classes": choice.as_yaml()})
    nested = MultitaskLosses.of(balanced(inside, Labels("multiclass", NAMES), cases))
    assert nested.classes == found


def test_balanced_weights_of_tags_are_absent_over_present() -> None:
    rows = [(1, 0), (0, 0), (0, UNKNOWN), (0, 1)]
    cases = [Case(str(k), Path(f"{k}"), tags=row) for k, row in enumerate(rows)]
    choice = Choice.model_validate({"name": "CE", "class_weights": "balanced"})
    found = balanced(choice, Labels("multilabel", ("x", "y")), cases)
    assert found.options["class_weights"] == [3.0, 2.0]
    always = [case for case in cases if case.tags == (1, 0)]
    assert balanced(choice, Labels("multilabel", ("x", "y")), always).options[
        "class_weights"
    ] == [1.0, 1.0]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on a list with holes in both columns; tests only read it."""
    root = tmp_path_factory.mktemp("both")
    data = write_manifest(root / "data")
    words = ["fit", "-c", "multitask", "--data.root", str(data), "--name", "a", "-q"]
    words += ["--data.manifest", "list.csv", "--runs", str(root)]
    words += ["--model.encoder.name", "xception_narrow", "--data.resize", "64"]
    words += ["--data.batch_size", "4", "--data.steps_per_epoch", "2"]
    words += ["--data.workers", "0", "--trainer.max_steps", "2"]
    assert main([*words, "--training.warmup_steps", "0"]) == 0
    return root / "a"


def test_both_tasks_are_validated_and_tested(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (run / "metrics.csv").open() as file:
        names = set(csv.DictReader(file).fieldnames or ())
    both = {"val/dice", "val/auroc", "val/balanced_accuracy", "val/dice_auroc"}
    assert both | {"train/mask", "train/class"} <= names
    assert main(["test", str(run)]) == 0
    told = capsys.readouterr().out
    assert "foreground" in told
    assert "AUROC" in told
    masks = json.loads((run / "test" / "summary.json").read_text())
    classes = json.loads((run / "test" / "classes" / "summary.json").read_text())
    assert (masks["task"], masks["n_cases"]) == ("segmentation", 6)
    assert (classes["task"], classes["n_cases"]) == ("classification", 6)


def test_predict_writes_masks_classes_and_reasons(run: Path, tmp_path: Path) -> None:
    images = run.parent / "data" / "images"
    sources = [str(images / f"test{k}.png") for k in range(2)]
    words = ["predict", str(run), *sources, "-o", str(tmp_path), "--explain"]
    assert main(words) == 0
    with (tmp_path / "probabilities.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == sources
    summary = json.loads((tmp_path / "test0.json").read_text())
    for name, value in summary["probabilities"].items():
        assert float(rows[0][name]) == pytest.approx(value, abs=1e-6)
    with Image.open(tmp_path / "test0.png") as mask:
        assert mask.size == (90, 70)
    assert (tmp_path / "test1_gradcam.png").is_file()
    before = (tmp_path / "probabilities.csv").read_bytes()
    assert main(words) == 0
    assert (tmp_path / "probabilities.csv").read_bytes() == before


@pytest.mark.slow
def test_the_masks_are_calibrated_and_the_classes_stay(
    run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    assert main(["calibrate", str(copy)]) == 0
    image = run.parent / "data" / "images" / "test0.png"
    plain, calibrated = (segx.load(path) for path in (run, copy))
    assert calibrated.spec.calibration is not None
    assert np.array_equal(plain.classify(image), calibrated.classify(image))
