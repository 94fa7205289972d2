"""Where a mask goes, plane by plane and band by band: whole or not at all."""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Region
from segx.labels import Labels
from segx.scans.damage import writing
from segx.scans.scan import Scan

__all__ = ["MaskSink"]


class MaskSink(ABC):
    """A mask that is written in bands of full width, from the top to the bottom.

    Of a volume, each plane follows the one before.

    In a ``with`` block it is committed at the end, or removed when the block raises.
    Until it is committed, an older file of the same name is untouched.

    Args:
        path: Where to.
        like: The scan whose size and geometry the mask takes.
        labels: What the mask's values mean, and their colours.

    Raises:
        ScanError: If the folder can't be written, or the format holds a single plane
            and the scan has several.
    """

    holds_planes: ClassVar[bool] = False
    """Whether the format can hold more than one plane."""

    def __init__(self, path: Path, *, like: Scan, labels: Labels) -> None:
        if like.planes > 1 and not self.holds_planes:
            raise ScanError(
                f"{path} can hold one plane, and {like.path} has {like.planes}. Write "
                "it as a volume: .nii.gz, .nrrd, .mha or .ome.tif."
            )
        self.path = path
        self.extent = like.extent
        self.planes = like.planes
        self.labels = labels
        self.paths = self.files(path, labels)
        """The files that appear when the sink is closed."""
        self._files = ExitStack()
        self._plane, self._rows_done = 0, 0
        with writing(path), ExitStack() as opened:
            self._open(opened, like=like)
            self._files = opened.pop_all()

    @classmethod
    def files(cls, path: Path, labels: Labels) -> tuple[Path, ...]:  # noqa: ARG003
        """Names of the files that a mask at `path` consists of: usually the one."""
        return (path,)

    def write(self, region: Region, mask: NDArray[np.uint8], *, plane: int = 0) -> None:
        """Write the next band.

        Args:
            region: The rows that follow the last ones, over the scan's full width.
            plane: The plane that they belong to, counted from 0.
            mask: Ids, shape (rows, cols); or 0 and 1, shape (rows, cols, classes), for
                multilabel masks.

        Raises:
            ScanError: If the band is not the next one, does not fit the labels, or
                can't be written.
        """
        if self._rows_done == self.extent.rows and self._plane + 1 < self.planes:
            self._plane, self._rows_done = self._plane + 1, 0
        expected = Region(self._rows_done, 0, region.rows, self.extent.cols)
        is_next = region == expected and plane == self._plane
        if not is_next or region.bottom > self.extent.rows:
            raise ScanError(
                f"{self.path}: rows {region.top} to {region.bottom} of plane {plane} "
                f"were given; the next band begins at row {self._rows_done} of "
                f"{self.extent.rows} in plane {self._plane} and is {self.extent.cols} "
                "px wide."
            )
        self._check(region, mask)
        with writing(self.path):
            self._append(np.ascontiguousarray(mask))
        self._rows_done = region.bottom

    def close(self) -> None:
        """Commit: after this the files are there, whole.

        Raises:
            ScanError: If rows are missing, or the disk refuses; nothing is left then.
        """
        if (self._plane + 1, self._rows_done) != (self.planes, self.extent.rows):
            self.abort()
            where = f" of plane {self._plane}" if self.planes > 1 else ""
            raise ScanError(
                f"{self.path}: {self._rows_done} of {self.extent.rows} rows{where} "
                "were written. The mask was not kept."
            )
        with writing(self.path), self._files:
            self._finish()

    def abort(self) -> None:
        """Remove what was written; an older file stays as it was."""
        # Files in the making are removed where their block ends in an error.
        reason = _AbortedError()
        self._files.__exit__(_AbortedError, reason, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abort()

    def _check(self, region: Region, mask: NDArray[np.uint8]) -> None:
        """Refuse a band of another shape or with ids that have no name."""
        names = len(self.labels.names)
        is_multilabel = self.labels.kind == "multilabel"
        planes = (names,) if is_multilabel else ()
        shape = (region.rows, region.cols, *planes)
        largest = 1 if is_multilabel else names - 1
        found = mask.max(initial=0)  # there may be no row
        if mask.shape != shape or mask.dtype != np.uint8 or found > largest:
            raise ScanError(
                f"{self.path}: a band of {mask.dtype} {mask.shape} up to {found} "
                f"was given; {self.labels.kind} labels with {names} names need uint8 "
                f"{shape} up to {largest}."
            )

    @abstractmethod
    def _open(self, files: ExitStack, *, like: Scan) -> None:
        """Open what is written to, and enter it in `files`."""

    @abstractmethod
    def _append(self, mask: NDArray[np.uint8]) -> None:
        """Write a checked band."""

    @abstractmethod
    def _finish(self) -> None:
        """Write what comes after the last row."""


class _AbortedError(Exception):
    """Tells files in the making that they are not wanted."""
