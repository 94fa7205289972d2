import time
from pathlib import Path
from typing import Any

import pytest

import segx.cli.fit as command
import segx.training.fit as training
from segx.cli.main import main
from segx.config import read_config


def test_a_budget_pays_for_all_since_the_command_began(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: dict[str, Any] = {}
    times = [time.monotonic()]

    def read(*arguments: Any) -> Any:
        times.append(time.monotonic())
        return read_config(*arguments)

    def fit(*_: Any, **how: Any) -> bool:
        told.update(how)
        return True

    monkeypatch.setattr(command, "read_config", read)
    monkeypatch.setattr(training, "fit", fit)
    words = ["fit", "-c", "unet", "--data.root", str(tmp_path), "--budget", "90s"]
    assert main([*words, "--runs", str(tmp_path)]) == 0
    assert told["budget_s"] == 90
    assert times[0] <= told["started"] <= times[1]
