"""One image whose channels lie in several files, as of MRI with several sequences."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Region, Space
from segx.scans.files import open_scan
from segx.scans.scan import Scan

__all__ = ["open_channels"]


def open_channels(
    paths: Sequence[Path], *, as_mask: bool = False, axis: int = 0
) -> Scan:
    """Open files as one image, their channels one after the other.

    Args:
        paths: One file or more, of one size and place; see `open_scan`.
        as_mask: See `open_scan`.
        axis: See `open_scan`.

    Raises:
        ScanError: If one can't be read, or two differ in size or place.
    """
    scans: list[Scan] = []
    try:
        for path in paths:
            scans.append(open_scan(path, as_mask=as_mask, axis=axis))
            _refuse_unlike(scans[-1], scans[0])
    except ScanError:
        for scan in scans:
            scan.close()
        raise
    return scans[0] if len(scans) == 1 else _ChannelFiles(scans)


class _ChannelFiles(Scan):
    """Scans of one size and place as one; wider types hold narrower ones."""

    def __init__(self, scans: Sequence[Scan]) -> None:
        first = scans[0]
        super().__init__(
            first.path,
            extent=first.extent,
            channels=sum(scan.channels for scan in scans),
            dtype=np.result_type(*(scan.dtype for scan in scans)),
            planes=first.planes,
            spacing_mm=first.spacing_mm,
            space=first.space,
        )
        self._scans = tuple(scans)

    def close(self) -> None:
        """Let go of all files."""
        for scan in self._scans:
            scan.close()

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        parts = [scan.read(region, plane=plane, level=level) for scan in self._scans]
        return np.concatenate(parts, axis=2, dtype=self.dtype)


def _refuse_unlike(scan: Scan, first: Scan) -> None:
    """Channels must show the same place."""
    if (scan.planes, scan.extent) != (first.planes, first.extent):
        raise ScanError(
            f"{scan.path} has {scan.planes} planes of {scan.extent} px, but "
            f"{first.path}, another channel of its image, has {first.planes} of "
            f"{first.extent}. Resample one to the other."
        )
    if scan.space and first.space and not _same_place(scan.space, first.space):
        raise ScanError(
            f"{scan.path} lies elsewhere in the patient than {first.path}, another "
            f"channel of its image: {scan.space} instead of {first.space}. Resample "
            "one to the other."
        )


def _same_place(one: Space, other: Space) -> bool:
    """Whether two volumes lie alike, as far as their formats' rounding lets tell."""
    pairs = (
        (one.spacing_mm, other.spacing_mm),
        (one.origin_mm, other.origin_mm),
        (one.directions, other.directions),
    )
    return all(np.allclose(a, b, rtol=1e-3, atol=1e-3) for a, b in pairs)
