"""Boxes of finished tiles on disk: what a prediction that was killed goes on from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segx.boxes import Detections
from segx.inference.spool import Spool
from segx.scans.closing import Closing

__all__ = ["BoxSpool"]

# Of a tile the number of its boxes, then of each box: left, top, right, bottom, class
# and score, all of which doubles hold exactly.
_COLUMNS = 6


class BoxSpool(Closing):
    """A file of the boxes of tiles, which grows batch by batch.

    Args:
        path: The file; what an earlier process wrote to it is kept.
    """

    def __init__(self, path: Path) -> None:
        self._rows = Spool(path, row_shape=(_COLUMNS,), dtype=np.float64)

    def append(self, batch: Sequence[Detections]) -> None:
        """Add the boxes of further tiles, and wait until they are on the disk."""
        rows = []
        for found in batch:
            rows.append(np.full((1, _COLUMNS), len(found), np.float64))
            columns = (*found.boxes.T, found.classes, found.scores)
            rows.append(np.stack(columns, axis=1).astype(np.float64))
        self._rows.append(np.concatenate(rows))

    def restore(self, *, batch: int, tiles: int) -> list[Detections]:
        """The boxes of the tiles that are finished, in whole batches.

        What a killed process left of a further batch is cut off.

        Args:
            batch: Number of tiles that run at once.
            tiles: Number of tiles of the scan; its last batch may be smaller.
        """
        rows = self._rows.read(0, self._rows.rows)
        found: list[Detections] = []
        ends, first = [0], 0
        while first < len(rows) and len(found) < tiles:
            end = first + 1 + int(rows[first, 0])
            if end > len(rows):
                break
            boxes, classes, scores = np.split(rows[first + 1 : end], [4, 5], axis=1)
            found.append(Detections.of(boxes, classes, scores))
            ends.append(end)
            first = end
        whole = len(found) if len(found) == tiles else len(found) // batch * batch
        self._rows.resize(ends[whole])
        return found[:whole]

    def close(self) -> None:
        """Let go of the file; it stays."""
        self._rows.close()
