"""A case as arrays: channels matched, values turned into ids, resized if asked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.data.case import Case
from segx.data.mask_values import MaskValues
from segx.errors import DataError
from segx.geometry import Extent
from segx.scans import match_channels, open_scan, resize_image, resize_mask

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
    """

    channels: int
    dtype: np.dtype[Any]
    mask_values: MaskValues | None = None
    resize: Extent | None = None
    resize_masks: bool = True

    def image(self, case: Case) -> NDArray[Any]:
        """Decode an image.

        Returns:
            Stored values, shape (rows, cols, channels).

        Raises:
            ScanError: If the file can't be read.
        """
        with open_scan(case.image) as scan:
            stored = match_channels(
                scan.read_all(), self.channels, source=case.image
            ).astype(self.dtype, copy=False)
        if self.resize is None:
            return stored
        resized = resize_image(stored.astype(np.float32), self.resize)
        # Interpolation stays between the values there are: rounding can't overflow.
        whole = stored.dtype.kind in "ui"
        return (np.rint(resized) if whole else resized).astype(stored.dtype)

    def mask(self, case: Case) -> NDArray[np.uint8] | None:
        """Decode the mask of a case.

        Returns:
            Ids, shape (rows, cols); 0 and 1, shape (rows, cols, classes), for
            multilabel masks; None where masks are not asked for.

        Raises:
            ScanError: If a file can't be read.
            DataError: If it holds other values or channels than the survey found.
        """
        if self.mask_values is None:
            return None
        planes = []
        for path in case.masks:
            with open_scan(path, as_mask=True) as scan:
                stored = scan.read_all()
            if stored.shape[2] != 1:
                raise DataError(f"{path} has {stored.shape[2]} channels; masks have 1.")
            planes.append(self.mask_values.to_ids(stored[..., 0], source=path))
        is_multilabel = self.mask_values.labels.kind == "multilabel"
        mask = np.stack(planes, axis=-1) if is_multilabel else planes[0]
        return mask if self._mask_size is None else resize_mask(mask, self._mask_size)

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

    @property
    def _mask_size(self) -> Extent | None:
        return self.resize if self.resize_masks else None
