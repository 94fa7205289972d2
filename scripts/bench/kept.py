"""Finished measurements as files, so that an interrupted bench goes on behind them."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import peers

from segx.evaluation.records import Json, write_json

__all__ = ["kept", "place_of", "write_lines"]


@contextmanager
def place_of(keep: Path | None) -> Iterator[Path]:
    """The folder for runs and finished lines, or one that is gone afterwards."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="segx-bench-") as folder:
        yield Path(folder)


def kept(
    path: Path,
    settings: Mapping[str, Json],
    measure: Callable[[], Mapping[str, Json]],
) -> dict[str, Json]:
    """What an earlier call measured with the same settings, or what is measured now.

    What was measured with another code of segx is measured anew.

    Args:
        path: The file of this measurement.
        settings: All that it depends on.
        measure: Does it.

    Returns:
        Settings and findings together.
    """
    known = {**settings, "code": _code()}
    if path.is_file():
        found: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
        if all(found.get(key) == value for key, value in known.items()):
            del found["code"]
            return found
    line = {**settings, **measure()}
    write_json(path, {**line, "code": known["code"]})
    return line


@cache
def _code() -> str:
    """SHA-256 of the package and the stock configs, as they are measured."""
    digest = hashlib.sha256()
    for folder, pattern in (("segx", "*.py"), ("configs", "*.yaml")):
        for path in sorted(Path(peers.REPOSITORY, folder).rglob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def write_lines(path: Path | None, lines: Sequence[Mapping[str, Json]]) -> None:
    """Write all lines with what they depend on, if that is wanted."""
    if path is not None:
        write_json(path, {"environment": peers.environment(), "lines": lines})
