"""Which device computes, and in which precision: decided, and said why."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from segx.errors import ConfigError

__all__ = [
    "Bf16",
    "Precision",
    "PrecisionName",
    "bf16_support",
    "choose_device",
    "choose_precision",
    "processor_capabilities",
]

PrecisionName = Literal[
    "16-mixed", "16-true", "32-true", "64-true", "bf16-mixed", "bf16-true"
]

# What a user may ask for → what Lightning calls it.
_PRECISIONS: dict[str, PrecisionName] = {
    "32": "32-true",
    "fp32": "32-true",
    "32-true": "32-true",
    "bf16": "bf16-mixed",
    "bf16-mixed": "bf16-mixed",
    "bf16-true": "bf16-true",
    "16": "16-mixed",
    "fp16": "16-mixed",
    "16-mixed": "16-mixed",
    "16-true": "16-true",
    "64": "64-true",
    "64-true": "64-true",
}

# CPU capability, as torch names it → what to call it. Any of them multiplies bfloat16
# matrices in hardware.
_BF16_INSTRUCTIONS = {
    "amx_bf16": "AMX-BF16",
    "avx512_bf16": "AVX512-BF16",
    "sve_bf16": "SVE-BF16",
    "bf16": "Arm BF16",
}

# Ampere; earlier GPUs emulate bfloat16.
_BF16_COMPUTE = (8, 0)


@dataclass(frozen=True)
class Precision:
    """A precision by Lightning's name, and the sentence that says why."""

    name: PrecisionName
    reason: str

    @property
    def is_bf16(self) -> bool:
        """Whether convolutions run in bfloat16."""
        return self.name.startswith("bf16")


@dataclass(frozen=True)
class Bf16:
    """Whether a device is faster in bfloat16 than in float32, and how that is known."""

    fast: bool
    reason: str


def choose_device(requested: str | None = None) -> str:
    """The device to compute on, as torch names it.

    Args:
        requested: ``cpu``, ``cuda``, ``cuda:1``, ``mps`` …; None or ``auto`` takes the
            first of CUDA, MPS and CPU that is there.

    Raises:
        ConfigError: If the device is unknown or not there; what is there is named.

    Examples:
        >>> choose_device("cpu")
        'cpu'
    """
    there = _devices()
    if requested in (None, "auto"):
        return there[0]
    if requested == "gpu" and there[0] != "cpu":
        return there[0]
    if requested in there or (requested == "cuda:0" and "cuda" in there):
        return str(requested)
    raise ConfigError(
        f"The device {requested!r} is not there. This machine has: {', '.join(there)}. "
        "Leave it out to take the best, or ask `segx doctor` why one is missing."
    )


def choose_precision(
    requested: str | None = None, *, device: str | None = None
) -> Precision:
    """The precision to train in: bfloat16 only where the hardware is good at it.

    Args:
        requested: ``32``, ``bf16``, ``16`` or one of Lightning's own names; None or
            ``auto`` decides by the device.
        device: Where the training will run; None for what `choose_device` takes.

    Raises:
        ConfigError: If the precision is unknown, or the device can't do it.
    """
    place = choose_device(device)
    bf16 = bf16_support(place)
    if requested in (None, "auto"):
        return Precision("bf16-mixed" if bf16.fast else "32-true", bf16.reason)
    name = _PRECISIONS.get(str(requested))
    if name is None:
        raise ConfigError(
            f"trainer.precision: {requested!r} is unknown. Allowed: auto, "
            f"{', '.join(_PRECISIONS)}."
        )
    if name == "16-mixed" and place == "cpu":
        raise ConfigError(
            "trainer.precision: 16 needs a GPU, and this runs on the CPU. "
            "Take bf16, 32 or auto."
        )
    slow = name.startswith("bf16") and not bf16.fast
    return Precision(
        name, f"asked for, although {bf16.reason}" if slow else "asked for"
    )


def bf16_support(device: str) -> Bf16:
    """Whether a device multiplies bfloat16 in hardware.

    Without such instructions bfloat16 is emulated: a convolution was measured 17 times
    slower than in float32 on a processor with AVX2 alone.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    """
    import torch

    if device.startswith("cuda"):
        return _bf16_of_gpu(torch.cuda.get_device_capability(device))
    if device == "mps":
        return Bf16(fast=False, reason="MPS is not known to gain from bfloat16")
    return _bf16_of_processor(processor_capabilities(), system=sys.platform)


def processor_capabilities() -> Mapping[str, Any]:
    """What torch knows about the processor: its instructions and its name.

    Empty in a torch that can't tell: then float32 is the safe choice.
    """
    import torch

    ask = getattr(torch.cpu, "get_capabilities", None)
    return ask() if ask is not None else {}


def _bf16_of_gpu(compute: tuple[int, int]) -> Bf16:
    major, minor = compute
    fast = compute >= _BF16_COMPUTE
    has = "has" if fast else "has no"
    reason = f"a GPU of compute capability {major}.{minor} {has} bfloat16 units"
    return Bf16(fast, reason if fast else f"{reason}; 16 may be faster than 32 there")


def _bf16_of_processor(capabilities: Mapping[str, object], *, system: str) -> Bf16:
    if system == "darwin":
        # The library that multiplies matrices there has no bfloat16 path.
        return Bf16(
            fast=False, reason="torch has no fast bfloat16 on a Mac's processor"
        )
    found = [name for key, name in _BF16_INSTRUCTIONS.items() if capabilities.get(key)]
    if found:
        return Bf16(fast=True, reason=f"the processor has {' and '.join(found)}")
    return Bf16(
        fast=False,
        reason="the processor has no bfloat16 instructions "
        f"({_widest(capabilities)}); bf16 would be emulated and many times slower",
    )


def _widest(capabilities: Mapping[str, object]) -> str:
    """The widest vector instructions, for people to look up."""
    names = {"avx512_f": "AVX-512", "avx2": "AVX2", "avx": "AVX", "neon": "NEON"}
    return next(
        (name for key, name in names.items() if capabilities.get(key)),
        "its instructions are unknown",
    )


def _devices() -> list[str]:
    """Devices that torch can use here, the best first."""
    import torch

    found = []
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        found += ["cuda", *(f"cuda:{index}" for index in range(1, count))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]
