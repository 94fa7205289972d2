from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segx.errors import ConfigError, ModelError
from segx.inference.runtimes.eager import TorchRuntime
from segx.models.network import Network, Prediction


class _Probe(nn.Module):
    """A network that notes how it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.mask = nn.Conv2d(3, 2, 1)
        self.label = nn.Linear(3, 4)
        self.calls: list[tuple[bool, bool, torch.dtype]] = []

    def forward(self, image: Tensor) -> Prediction:
        logits = self.mask(image)
        is_last = image.is_contiguous(memory_format=torch.channels_last)
        self.calls.append((is_last, torch.is_inference_mode_enabled(), logits.dtype))
        return Prediction(logits, self.label(image.mean(dim=(2, 3))))


def _network(probe: nn.Module) -> Network:
    return cast(Network, probe)


def _tiles() -> np.ndarray:
    return np.random.default_rng(0).random((2, 3, 5, 7), np.float32)


@pytest.mark.parametrize("precision", [None, "fp32", "bf16"])
def test_logits_are_float32_and_those_of_the_network(precision: Any) -> None:
    probe = _Probe().eval()
    runtime = TorchRuntime(_network(probe), precision=precision)
    logits = runtime.run(_tiles())
    assert (logits.dtype, logits.shape) == (np.float32, (2, 2, 5, 7))
    with torch.inference_mode():
        expected = probe.mask(torch.from_numpy(_tiles())).numpy()
    assert np.allclose(logits, expected, atol=2e-2 if precision == "bf16" else 1e-6)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    assert probe.calls == [(True, True, dtype)]


def test_without_a_precision_the_surrounding_autocast_decides() -> None:
    probe = _Probe().eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        TorchRuntime(_network(probe)).run(_tiles())
        TorchRuntime(_network(probe), precision="fp32").run(_tiles())
    assert [call[2] for call in probe.calls] == [torch.bfloat16, torch.float32]


def test_the_layout_can_be_left_as_it_is() -> None:
    probe = _Probe().eval()
    TorchRuntime(_network(probe), channels_last=False).run(_tiles())
    assert probe.calls[0][0] is False


def test_a_classifiers_logits_have_no_rows() -> None:
    runtime = TorchRuntime(_network(_Probe().eval()), head="class")
    assert runtime.run(_tiles()).shape == (2, 4)


def test_a_network_in_training_mode_is_refused() -> None:
    with pytest.raises(ModelError, match="in training mode"):
        TorchRuntime(_network(_Probe()))


def test_a_missing_head_is_named() -> None:
    class Headless(nn.Module):
        def forward(self, image: Tensor) -> Prediction:
            return Prediction(None, None)

    network = _network(Headless().eval())
    with pytest.raises(ModelError, match=r"no mask head\. Use classify"):
        TorchRuntime(network).run(_tiles())
    with pytest.raises(ModelError, match=r"no class head\. Use predict"):
        TorchRuntime(network, head="class").run(_tiles())


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_too_little_memory_is_said_with_the_size_of_the_batch(device: str) -> None:
    class Greedy(nn.Module):
        def forward(self, image: Tensor) -> Prediction:
            if device == "cuda":
                raise torch.OutOfMemoryError
            torch.empty(2**60, dtype=torch.uint8)  # more than there is anywhere
            raise AssertionError

    with pytest.raises(ModelError, match="too little memory for 2 tiles of 5x7 px"):
        TorchRuntime(_network(Greedy().eval())).run(_tiles())


def test_what_does_not_pay_or_is_not_done_is_refused() -> None:
    network = _network(_Probe().eval())
    with pytest.raises(ConfigError, match="does not pay on cpu"):
        TorchRuntime(network, compiled=True)
    with pytest.raises(ConfigError, match="segx export RUN"):
        TorchRuntime(network, precision="int8")
