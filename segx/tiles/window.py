"""How much each pixel of a tile counts where tiles overlap."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segx.errors import TilingError
from segx.geometry import Extent

__all__ = ["BlendKind", "blend_window"]

BlendKind = Literal["gaussian", "hann"]

_SIDE_IN_SIGMAS = 8.0


def blend_window(tile: Extent, *, kind: BlendKind) -> NDArray[np.float32]:
    """Weights that fall from a tile's centre to its border, where its context ends.

    ``gaussian`` has a standard deviation of an eighth of the side; ``hann`` is the
    squared sine, taken at the pixels' centres. Both are greater than zero everywhere,
    so that a pixel which a single tile covers, such as the scan's corner, is kept.

    Args:
        tile: Size of the tile, in pixels.
        kind: The shape of the fall.

    Returns:
        Weights in (0, 1], shape (rows, cols), symmetric.

    Raises:
        TilingError: If the kind is unknown.

    References:
        The Gaussian after Isensee et al. 2021, doi:10.1038/s41592-020-01008-z. The
        Hann window after Pielawski and Wählby 2020, doi:10.1371/journal.pone.0229839.

    Examples:
        >>> [f"{weight:.2f}" for weight in blend_window(Extent(1, 4), kind="hann")[0]]
        ['0.15', '0.85', '0.85', '0.15']
    """
    if kind not in ("gaussian", "hann"):
        raise TilingError(f"Unknown blend {kind!r}. Take gaussian or hann.")
    rows, cols = _profile(tile.rows, kind=kind), _profile(tile.cols, kind=kind)
    return np.outer(rows, cols)


def _profile(side: int, *, kind: BlendKind) -> NDArray[np.float32]:
    """The fall along one axis; the window is the product of two."""
    place = (np.arange(side) + 0.5) / side
    if kind == "hann":
        return np.asarray(np.sin(np.pi * place) ** 2, np.float32)
    sigmas = (place - 0.5) * _SIDE_IN_SIGMAS
    return np.asarray(np.exp(-0.5 * sigmas**2), np.float32)
