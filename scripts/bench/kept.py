"""Finished measurements as files, so that an interrupted bench goes on behind them."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from segx.evaluation.records import Json, write_json

__all__ = ["kept"]


def kept(
    path: Path,
    settings: Mapping[str, Json],
    measure: Callable[[], Mapping[str, Json]],
) -> dict[str, Json]:
    """What an earlier call measured with the same settings, or what is measured now.

    Args:
        path: The file of this measurement.
        settings: All that it depends on.
        measure: Does it.

    Returns:
        Settings and findings together.
    """
    if path.is_file():
        found: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
        if all(found.get(key) == value for key, value in settings.items()):
            return found
    line = {**settings, **measure()}
    write_json(path, line)
    return line
