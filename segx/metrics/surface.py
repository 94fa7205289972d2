"""How far the surfaces of truth and prediction lie apart, in mm or in pixels."""

import math
import warnings
from typing import Literal, NamedTuple

import numpy as np
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice
from numpy.typing import NDArray

from segx.errors import DataError

__all__ = ["LengthUnit", "Surface", "compare_surfaces"]

LengthUnit = Literal["mm", "px"]

_PERCENTILE = 95


class Surface(NamedTuple):
    """The surfaces of one class in one case.

    Args:
        hd95: Larger of the two directed 95th percentiles of distances between voxels
            at the border; nan if truth and prediction are both empty, inf if one is.
        nsd: Share of both surfaces that lies within the tolerance of the other; nan
            if truth and prediction are both empty, 0 if one is; None if no tolerance
            was given.
    """

    hd95: float
    nsd: float | None


def compare_surfaces(
    truth: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    *,
    spacing: tuple[float, ...],
    tolerance: float | None = None,
) -> Surface:
    """Measure how far two surfaces lie apart.

    Both masks are cut down to the box that holds all foreground, so that the cost
    depends on the objects and not on the scan; distances are looked up among border
    pixels only. Of a box of 4096x4096 px `hd95` takes a few seconds; `nsd` takes a few
    more, and 120 bytes a pixel. A pixel at the border of the scan is at the border of
    its object.

    Args:
        truth: Pixels of the class, (rows, cols) or (planes, rows, cols).
        predicted: The same shape.
        spacing: Distance of neighbours along each axis, in mm; 1 for pixels.
        tolerance: Distance up to which surfaces agree, in the unit of `spacing`; None
            leaves `nsd` out.

    Raises:
        DataError: If the shapes differ, or a length is not positive.

    References:
        Nikolov et al. 2021, doi:10.2196/26151, for the surface Dice with sub-voxel
        surfaces; Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z, for what to
        do with empty masks.

    Examples:
        >>> truth, predicted = np.zeros((2, 9, 9), bool)
        >>> truth[2:6, 2:6] = predicted[2:6, 3:7] = True
        >>> compare_surfaces(truth, predicted, spacing=(0.5, 0.5), tolerance=0.5)
        Surface(hd95=0.5, nsd=1.0)
    """
    _check(truth, predicted, spacing, tolerance)
    if not (truth.any() and predicted.any()):
        both = not (truth.any() or predicted.any())
        nsd = math.nan if both else 0.0
        return Surface(
            hd95=math.nan if both else math.inf,
            nsd=None if tolerance is None else nsd,
        )
    box = _box(truth | predicted)
    return _by_monai(truth[box], predicted[box], spacing=spacing, tolerance=tolerance)


def _by_monai(
    truth: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    *,
    spacing: tuple[float, ...],
    tolerance: float | None,
) -> Surface:
    """What MONAI says of two masks that both hold something."""
    y, y_pred = (torch.from_numpy(mask)[None, None] for mask in (truth, predicted))
    with warnings.catch_warnings():
        # MONAI 1.6 calls itself with an argument that it advises against.
        warnings.filterwarnings("ignore", ".*always_return_as_numpy", FutureWarning)
        hd95 = compute_hausdorff_distance(
            y_pred,
            y,
            include_background=True,
            percentile=_PERCENTILE,
            spacing=spacing,
        )
        if tolerance is None:
            return Surface(float(hd95), None)
        within = compute_surface_dice(
            y_pred,
            y,
            class_thresholds=[tolerance],
            include_background=True,
            spacing=spacing,
            use_subvoxels=True,
        )
    return Surface(float(hd95), float(within))


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box that holds every true pixel of a mask that has some."""
    sides = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        inside = np.flatnonzero(mask.any(axis=others))
        sides.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return tuple(sides)


def _check(
    truth: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    spacing: tuple[float, ...],
    tolerance: float | None,
) -> None:
    if (
        truth.shape != predicted.shape
        or truth.ndim not in (2, 3)
        or len(spacing) != truth.ndim
    ):
        raise DataError(
            f"A truth of shape {truth.shape}, a prediction of shape {predicted.shape} "
            f"and the spacing {spacing} given; allowed is one shape of 2 or 3 axes, "
            "and a spacing for each."
        )
    lengths = spacing if tolerance is None else (*spacing, tolerance)
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        raise DataError(
            f"The spacing {spacing} and the tolerance {tolerance} given; allowed are "
            "positive lengths. Is the pixel size missing from the file's header?"
        )
