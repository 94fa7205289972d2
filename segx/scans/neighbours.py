"""A plane of a volume with the planes around it as further channels ("2.5D")."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.geometry import Region
from segx.scans.channels import match_channels
from segx.scans.scan import Scan

__all__ = ["planes_around", "read_with_neighbours"]


def read_with_neighbours(
    scan: Scan, region: Region, *, plane: int, neighbours: int, channels: int
) -> NDArray[Any]:
    """Read a region of a plane, and of as many planes before and behind it.

    Beyond the first and the last plane these are repeated.

    Args:
        scan: The volume; an image of one plane is its own neighbour.
        region: Where, in pixels.
        plane: The plane in the middle, counted from 0.
        neighbours: Number of planes on each side.
        channels: Number of channels that each plane is given; see `match_channels`.

    Returns:
        Stored values, shape (rows, cols, (2 * neighbours + 1) * channels), the first
        plane's channels first.
    """
    planes = planes_around(plane, neighbours=neighbours, planes=scan.planes)
    read = {
        index: match_channels(
            scan.read(region, plane=index), channels, source=scan.path
        )
        for index in dict.fromkeys(planes)
    }
    if len(planes) == 1:
        return read[plane]
    return np.concatenate([read[index] for index in planes], axis=2)


def planes_around(plane: int, *, neighbours: int, planes: int) -> list[int]:
    """Numbers of a plane and its neighbours, in order; the outermost are repeated.

    Examples:
        >>> planes_around(1, neighbours=2, planes=4)
        [0, 0, 1, 2, 3]
    """
    around = range(plane - neighbours, plane + neighbours + 1)
    return [min(max(index, 0), planes - 1) for index in around]
