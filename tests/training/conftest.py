"""Log records reach caplog, also after a command has set segx's logging up."""

import logging

import pytest


@pytest.fixture(autouse=True)
def _heard_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("segx"), "propagate", True)
