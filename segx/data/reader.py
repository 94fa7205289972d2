"""A case as arrays: channels matched, values turned into ids, resized if asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.data.case import Case
from segx.data.mask_values import MaskValues
from segx.errors import DataError
from segx.geometry import Extent
from segx.scans import (
    match_channels,
    open_channels,
    open_scan,
    resize_image,
    resize_mask,
)

__all__ = ["CaseReader"]


@dataclass(frozen=True)
class CaseReader:
    """Reads cases the way that a survey found them to be.

    Args:
        channels: Channels that images are given.
        dtype: Type of the images' stored values.
        mask_values: What stored mask values mean; None for cases without masks.
        resize: Size that images are given; None keeps their own.
        resize_masks: Whether masks are given that size too.
        axis: Axis along which a volume is cut into planes.
    """

    channels: int
    dtype: np.dtype[Any]
    mask_values: MaskValues | None = None
    resize: Extent | None = None
    resize_masks: bool = True
    axis: int = 0

    def image(self, case: Case) -> NDArray[Any]:
        """Decode an image.

        Returns:
            Stored values, shape (rows, cols, channels); of a volume (planes, rows,
            cols, channels).

        Raises:
            ScanError: If the file can't be read.
        """
        with open_channels(case.images, axis=self.axis) as scan:
            planes = [
                self._image_plane(scan.read_all(plane=plane), case.image)
                for plane in range(scan.planes)
            ]
        return planes[0] if len(planes) == 1 else np.stack(planes)

    def mask(self, case: Case) -> NDArray[np.uint8] | None:
        """Decode the mask of a case.

        Returns:
            Ids, shape (rows, cols), of a volume (planes, rows, cols); 0 and 1, with a
            last axis for the classes, for multilabel masks; None where masks are not
            asked for, or the case has none.

        Raises:
            ScanError: If a file can't be read.
            DataError: If it holds other values or channels than the survey found.
        """
        if self.mask_values is None or not case.masks:
            return None
        classes = [self._ids(path, self.mask_values) for path in case.masks]
        if self.mask_values.labels.kind == "multilabel":
            return np.stack(classes, axis=-1)
        return classes[0]

    def image_shape(self, stored: Extent) -> tuple[int, ...]:
        """Shape of what `image` gives for a file of that size."""
        extent = self.resize or stored
        return extent.rows, extent.cols, self.channels

    def mask_shape(self, stored: Extent) -> tuple[int, ...] | None:
        """Shape of what `mask` gives for a file of that size."""
        if self.mask_values is None:
            return None
        extent = self._mask_size or stored
        planes = len(self.mask_values.labels.names)
        is_multilabel = self.mask_values.labels.kind == "multilabel"
        return (extent.rows, extent.cols, *([planes] if is_multilabel else []))

    def _image_plane(self, stored: NDArray[Any], path: Path) -> NDArray[Any]:
        """A plane with the channels, the type and the size that are asked for."""
        matched = match_channels(stored, self.channels, source=path)
        plane = matched.astype(self.dtype, copy=False)
        return plane if self.resize is None else resize_image(plane, self.resize)

    def _ids(self, path: Path, values: MaskValues) -> NDArray[np.uint8]:
        """The ids of one file, ([planes, ]rows, cols)."""
        with open_scan(path, as_mask=True, axis=self.axis) as scan:
            if scan.channels != 1:
                raise DataError(f"{path} has {scan.channels} channels; masks have 1.")
            planes = []
            for plane in range(scan.planes):
                stored = scan.read_all(plane=plane)[..., 0]
                ids = values.to_ids(stored, source=path)
                size = self._mask_size
                planes.append(ids if size is None else resize_mask(ids, size))
        return planes[0] if len(planes) == 1 else np.stack(planes)

    @property
    def _mask_size(self) -> Extent | None:
        return self.resize if self.resize_masks else None
