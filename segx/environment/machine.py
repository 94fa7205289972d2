"""The machine: processor, cores, memory, device and versions, as frozen values."""

import contextlib
import math
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from segx.environment.device import (
    Precision,
    choose_device,
    choose_precision,
    processor_capabilities,
)
from segx.environment.packages import installed_version

__all__ = ["Machine", "describe_machine", "usable_cores", "usable_memory"]

_CONTROL_GROUP = Path("/sys/fs/cgroup")
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Machine:
    """What this machine offers to segx.

    Args:
        system: Operating system and architecture.
        python: Version of Python.
        torch: Version of torch, with its build.
        torchvision: Version of torchvision; None if it is missing.
        processor: Name of the processor.
        cores: Cores that this process may use.
        memory_bytes: Memory that this process may use; None if unknown.
        device: Where networks run: ``cpu``, ``cuda`` or ``mps``.
        device_name: Name of the GPU; None without one.
        device_memory_bytes: Memory of the GPU; None without one or if unknown.
        precision: What training runs in unless told otherwise.
        idle_gpu: Why a GPU that is here can't be used; None if there is none or it can.
    """

    system: str
    python: str
    torch: str
    torchvision: str | None
    processor: str
    cores: int
    memory_bytes: int | None
    device: str
    device_name: str | None
    device_memory_bytes: int | None
    precision: Precision
    idle_gpu: str | None


def describe_machine() -> Machine:
    """Look at this machine; imports torch."""
    import torch

    device = choose_device()
    name, memory = None, None
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        name, memory = properties.name, properties.total_memory
    elif device == "mps":
        name = platform.processor() or "Apple GPU"
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=installed_version("torchvision"),
        processor=_processor_name(),
        cores=usable_cores(),
        memory_bytes=usable_memory(),
        device=device,
        device_name=name,
        device_memory_bytes=memory,
        precision=choose_precision(device=device),
        idle_gpu=_idle_gpu() if device == "cpu" else None,
    )


def usable_cores(*, control_group: Path = _CONTROL_GROUP) -> int:
    """Cores that this process may use: affinity and container quota count.

    Args:
        control_group: Folder of the Linux control group to read the quota from.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    quota, _, period = _read(control_group / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores)


def usable_memory(*, control_group: Path = _CONTROL_GROUP) -> int | None:
    """Bytes of memory that this process may use; None if that can't be known.

    Args:
        control_group: Folder of the Linux control group to read the limit from.
    """
    memory = None
    # Not every system has sysconf, nor every sysconf these names.
    with contextlib.suppress(AttributeError, ValueError, OSError):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = _read(control_group / "memory.max")
    if limit.isdigit():
        memory = min(int(limit), memory) if memory else int(limit)
    return memory


def _idle_gpu() -> str | None:
    """Why torch does not use the NVIDIA GPU whose driver is here."""
    import torch

    if not (_NVIDIA_DRIVER.exists() or shutil.which("nvidia-smi")):
        return None
    here = "the driver of an NVIDIA GPU is here, and torch does not use it: "
    if torch.version.cuda is None:
        return f"{here}torch {torch.__version__} is a build without CUDA"
    try:
        torch.zeros(1, device="cuda")
    except RuntimeError as error:
        return f"{here}{error}"
    return f"{here}the reason is unknown; try nvidia-smi"


def _processor_name() -> str:
    name = processor_capabilities().get("cpu_name")
    return str(name or platform.processor() or platform.machine())


def _read(path: Path) -> str:
    """Text of a small system file; empty where there is none."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
