"""Scans that failed: the first of each kind is told at once, the others together."""

import logging
from pathlib import Path

from segx.errors import SegxError

__all__ = ["Failures"]

_logger = logging.getLogger(__name__)


class Failures:
    """Logs errors, those that differ only in the scan's name once."""

    def __init__(self) -> None:
        self._alike: dict[str, list[str]] = {}

    def add(self, scan: Path, error: SegxError) -> None:
        """Log an error, if it is the first of its kind."""
        kind = str(error).replace(str(scan), "").replace(scan.name, "")
        if kind not in self._alike:
            _logger.warning("%s", error)
        self._alike.setdefault(kind, []).append(scan.name)

    def tell_rest(self) -> None:
        """Log, once all scans are through, which others failed alike."""
        for first, *others in self._alike.values():
            if others:
                names = ", ".join(others)
                told = "… and %d more failed as %s did: %s"
                _logger.warning(told, len(others), first, names)
