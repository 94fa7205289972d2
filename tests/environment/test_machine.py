"""A machine is described as this process may use it, in a container too."""

import os
from pathlib import Path

import pytest
import torch

from segx.environment import describe_machine, usable_cores, usable_memory


def group(folder: Path, *, cpu: str = "max 100000", memory: str = "max") -> Path:
    (folder / "cpu.max").write_text(f"{cpu}\n", encoding="ascii")
    (folder / "memory.max").write_text(f"{memory}\n", encoding="ascii")
    return folder


def test_a_machine_is_whole() -> None:
    machine = describe_machine()
    assert machine.torch == torch.__version__
    assert machine.cores >= 1
    assert machine.processor
    assert machine.precision.reason


@pytest.mark.parametrize(
    ("quota", "cores"), [("100000 100000", 1), ("50000 100000", 1), ("1 100000", 1)]
)
def test_a_container_s_quota_limits_the_cores(
    tmp_path: Path, quota: str, cores: int
) -> None:
    assert usable_cores(control_group=group(tmp_path, cpu=quota)) == cores


@pytest.mark.parametrize("quota", ["max 100000", "", "nonsense", "100000 0"])
def test_without_a_quota_all_cores_count(tmp_path: Path, quota: str) -> None:
    all_cores = usable_cores(control_group=tmp_path / "none")
    assert usable_cores(control_group=group(tmp_path, cpu=quota)) == all_cores
    assert 1 <= all_cores <= (os.cpu_count() or 1)


def test_a_container_s_limit_is_the_memory(tmp_path: Path) -> None:
    assert usable_memory(control_group=group(tmp_path, memory="1048576")) == 1048576


def test_a_limit_above_the_machine_s_memory_says_nothing(tmp_path: Path) -> None:
    memory = usable_memory(control_group=tmp_path / "none")
    assert usable_memory(control_group=group(tmp_path, memory=str(2**60))) == memory
