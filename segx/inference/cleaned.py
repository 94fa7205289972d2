"""The whole mask of a scan is cleaned; outside the region of interest nothing grows."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Region
from segx.inference.summary import pixel_size
from segx.labels import Labels
from segx.masks.cleaning import clean
from segx.scans.interest import open_interest
from segx.scans.scan import Scan
from segx.spec import ModelSpec

__all__ = ["clean_mask"]

# Rows that are looked at together.
_BLOCK_ROWS = 512


def clean_mask(
    mask: NDArray[np.uint8],
    scan: Scan,
    *,
    spec: ModelSpec,
    labels: Labels,
    interest: Path | None,
    out: NDArray[np.uint8],
) -> tuple[int, ...]:
    """Clean a mask as a model says, in memory or on disk; see `clean`.

    Args:
        mask: Of all planes, as `clean` takes it.
        scan: What it is of.
        spec: What the model is.
        labels: What the mask's values mean.
        interest: Where the prediction was wanted: a hole that reaches outside is filled
            inside alone. None if everywhere.
        out: Where the result goes; it may be `mask` itself.

    Returns:
        How many components each class has.
    """
    components = clean(
        mask, spec.cleaning, labels=labels, out=out, pixel_size=pixel_size(scan)
    )
    if interest is not None:
        rows, cols = scan.extent.rows, scan.extent.cols
        with open_interest(interest, like=scan, axis=spec.axis) as wanted:
            for plane in range(scan.planes):
                for top in range(0, rows, _BLOCK_ROWS):
                    block = Region(top, 0, min(_BLOCK_ROWS, rows - top), cols)
                    outside = ~wanted.inside(block, plane=plane)
                    out[plane, top : block.bottom][outside] = 0
    return components
