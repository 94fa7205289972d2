"""What a step costs is measured within its bound, and the batch follows from it."""

from itertools import count

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segx.config import Choice, FitConfig
from segx.errors import OutOfMemoryError
from segx.geometry import Extent
from segx.labels import Labels
from segx.scans import Intensity
from segx.spec import ModelSpec
from segx.training import plan
from segx.training.plan import StepCost, choose_batch, measure_steps

NAMES = {
    "binary": ("background", "a"),
    "multiclass": ("background", "a", "b"),
    "multilabel": ("a", "b"),
}


def config_of(task: str) -> FitConfig:
    decoder = None if task == "classification" else "UNet"
    loss = "CE" if task == "classification" else "DiceCE"
    model = {
        "encoder": {"name": "xception_narrow"},
        "decoder": decoder,
        "loss": loss,
    }
    trainer = {"accelerator": "cpu"}
    return FitConfig.model_validate({"task": task, "model": model, "trainer": trainer})


def spec_of(config: FitConfig, kind: str = "binary") -> ModelSpec:
    segments = config.task == "segmentation"
    return ModelSpec(
        task=config.task,
        encoder=config.model.encoder,
        decoder=config.model.decoder,
        head=config.model.head,
        in_channels=2,
        labels=Labels(kind, NAMES[kind]) if segments else None,  # type: ignore[arg-type]
        class_names=None if segments else ("a", "b", "c"),
        intensity=Intensity.for_dtype("uint8", 2, mean=0.5, std=0.5),
        resize=None,
        inference=config.inference,
    )


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ("segmentation", "binary"),
        ("segmentation", "multiclass"),
        ("segmentation", "multilabel"),
        ("classification", "binary"),
    ],
)
def test_steps_of_every_kind_can_be_measured(task: str, kind: str) -> None:
    config = config_of(task)
    costs = measure_steps(
        spec_of(config, kind), config, extent=Extent(32, 64), least=2, limit_s=1e-6
    )
    assert [cost.batch_size for cost in costs] == [2]
    assert costs[0].seconds > 0
    assert (costs[0].memory_bytes or 0) > 2**20


class FakeStep:
    """A device with a clock and a memory of our own."""

    def __init__(
        self, *, seconds: float, most_bytes: float, fails_at: int = 999
    ) -> None:
        self.seconds, self.most_bytes, self.fails_at = seconds, most_bytes, fails_at
        self.now = 0.0
        self.tried: list[int] = []

    def measure(self, batch_size: int, ends: float) -> StepCost:
        if batch_size >= self.fails_at:
            raise torch.OutOfMemoryError
        self.tried.append(batch_size)
        cost = self.seconds * batch_size
        self.now += 3 * cost
        return StepCost(batch_size, cost, 100 + 10 * batch_size)


def tried(
    step: FakeStep, monkeypatch: pytest.MonkeyPatch, *, limit_s: float
) -> list[int]:
    monkeypatch.setattr(plan, "_Step", lambda *_: step)
    monkeypatch.setattr(plan.time, "monotonic", lambda: step.now)
    config = config_of("segmentation")
    extent = Extent(32, 32)
    measure_steps(spec_of(config), config, extent=extent, least=4, limit_s=limit_s)
    return step.tried


def test_measuring_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    step = FakeStep(seconds=1, most_bytes=1e9)
    assert tried(step, monkeypatch, limit_s=40) == [4, 8]
    assert step.now <= 40


def test_measuring_ends_before_the_memory_does(monkeypatch: pytest.MonkeyPatch) -> None:
    # Four images take 140, eight 180, sixteen 260, thirty-two 420.
    step = FakeStep(seconds=1e-3, most_bytes=300)
    assert tried(step, monkeypatch, limit_s=30) == [4, 8, 16]


def test_a_batch_that_does_not_fit_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    step = FakeStep(seconds=1e-3, most_bytes=1e9, fails_at=16)
    assert tried(step, monkeypatch, limit_s=30) == [4, 8]
    small = FakeStep(seconds=1e-3, most_bytes=1e9, fails_at=2)
    assert tried(small, monkeypatch, limit_s=30) == [1]
    with pytest.raises(OutOfMemoryError, match="a single image"):
        tried(FakeStep(seconds=1, most_bytes=1, fails_at=1), monkeypatch, limit_s=1)


@given(times=st.lists(st.floats(0.01, 100), min_size=1, max_size=6))
def test_the_batch_is_small_and_about_as_fast_as_any(times: list[float]) -> None:
    costs = [
        StepCost(2**power, seconds, None)
        for power, seconds in zip(count(1), times, strict=False)
    ]
    chosen = choose_batch(costs)
    assert chosen.image_s <= 1.15 * min(cost.image_s for cost in costs)
    smaller = [cost for cost in costs if cost.batch_size < chosen.batch_size]
    assert all(cost.image_s > chosen.image_s / 1.15 for cost in smaller)


def test_the_loss_and_the_optimizer_of_the_config_are_used() -> None:
    config = config_of("segmentation")
    model = config.model.model_copy(update={"loss": Choice(name="Lovasz")})
    config = config.model_copy(update={"model": model})
    step = plan._Step(spec_of(config), config, Extent(32, 32))
    before = [item.detach().clone() for item in step._network.parameters()]
    step.measure(2, 0.0)
    after = list(step._network.parameters())
    assert type(step._loss.loss).__name__ == "Lovasz"
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
