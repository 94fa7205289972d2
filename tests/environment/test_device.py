"""The device and the precision are decided by the hardware, and can be overridden."""

import sys

import pytest
import torch

from segx.environment import device
from segx.environment.device import (
    bf16_support,
    choose_device,
    choose_precision,
)
from segx.errors import ConfigError

X86 = {"architecture": "x86_64", "avx2": True}


def pretend(monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object]) -> None:
    """Run on a Linux machine without a GPU, with this processor."""
    monkeypatch.setattr(device, "_devices", lambda: ["cpu"])
    monkeypatch.setattr(device, "processor_capabilities", lambda: capabilities)
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.parametrize(
    ("capabilities", "name", "reason"),
    [
        (X86, "32-true", "no bfloat16 instructions (AVX2)"),
        (X86 | {"avx512_f": True}, "32-true", "(AVX-512)"),
        (X86 | {"avx512_f": True, "avx512_bf16": True}, "bf16-mixed", "AVX512-BF16"),
        (X86 | {"amx_bf16": True, "avx512_bf16": True}, "bf16-mixed", "AMX-BF16"),
        ({"neon": True}, "32-true", "(NEON)"),
        ({"neon": True, "bf16": True}, "bf16-mixed", "Arm BF16"),
        ({"neon": True, "sve_bf16": True}, "bf16-mixed", "SVE-BF16"),
        ({}, "32-true", "unknown"),
    ],
)
def test_bf16_runs_where_the_processor_multiplies_it(
    monkeypatch: pytest.MonkeyPatch,
    capabilities: dict[str, object],
    name: str,
    reason: str,
) -> None:
    pretend(monkeypatch, capabilities)
    for requested in (None, "auto"):
        chosen = choose_precision(requested)
        assert chosen.name == name
        assert chosen.is_bf16 == (name == "bf16-mixed")
        assert reason in chosen.reason


def test_a_mac_never_takes_bf16_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"neon": True, "bf16": True})
    monkeypatch.setattr(sys, "platform", "darwin")
    assert choose_precision().name == "32-true"
    assert not bf16_support("mps").fast


@pytest.mark.parametrize(
    ("compute", "name"),
    [((7, 5), "32-true"), ((8, 0), "bf16-mixed"), ((9, 0), "bf16-mixed")],
)
def test_bf16_runs_on_gpus_from_ampere_on(
    monkeypatch: pytest.MonkeyPatch, compute: tuple[int, int], name: str
) -> None:
    monkeypatch.setattr(device, "_devices", lambda: ["cuda", "cuda:1", "cpu"])
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: compute)
    chosen = choose_precision()
    assert chosen.name == name
    assert f"{compute[0]}.{compute[1]}" in chosen.reason


@pytest.mark.parametrize(
    ("requested", "name"),
    [
        ("32", "32-true"),
        ("bf16", "bf16-mixed"),
        ("bf16-true", "bf16-true"),
        ("64", "64-true"),
    ],
)
def test_what_is_asked_for_is_done_and_a_slow_choice_is_said(
    monkeypatch: pytest.MonkeyPatch, requested: str, name: str
) -> None:
    pretend(monkeypatch, X86)
    chosen = choose_precision(requested)
    assert chosen.name == name
    assert ("many times slower" in chosen.reason) == chosen.is_bf16


def test_a_precision_that_is_unknown_or_impossible_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, X86)
    with pytest.raises(ConfigError, match=r"'b16' is unknown.*auto, 32"):
        choose_precision("b16")
    with pytest.raises(ConfigError, match="16 needs a GPU"):
        choose_precision("16")


@pytest.mark.parametrize(
    ("there", "requested", "chosen"),
    [
        (["cuda", "cuda:1", "cpu"], None, "cuda"),
        (["cuda", "cuda:1", "cpu"], "auto", "cuda"),
        (["cuda", "cuda:1", "cpu"], "gpu", "cuda"),
        (["cuda", "cuda:1", "cpu"], "cuda:0", "cuda:0"),
        (["cuda", "cuda:1", "cpu"], "cuda:1", "cuda:1"),
        (["cuda", "cuda:1", "cpu"], "cpu", "cpu"),
        (["mps", "cpu"], "gpu", "mps"),
        (["cpu"], None, "cpu"),
    ],
)
def test_the_best_device_is_taken_unless_one_is_named(
    monkeypatch: pytest.MonkeyPatch,
    there: list[str],
    requested: str | None,
    chosen: str,
) -> None:
    monkeypatch.setattr(device, "_devices", lambda: there)
    assert choose_device(requested) == chosen


@pytest.mark.parametrize("requested", ["cuda", "cuda:0", "gpu", "mps", "tpu", ""])
def test_a_device_that_is_not_there_is_refused_with_what_is(
    monkeypatch: pytest.MonkeyPatch, requested: str
) -> None:
    monkeypatch.setattr(device, "_devices", lambda: ["cpu"])
    with pytest.raises(ConfigError, match="This machine has: cpu"):
        choose_device(requested)


def test_torch_can_use_the_device_that_is_chosen() -> None:
    assert torch.zeros(1, device=choose_device()).sum() == 0
