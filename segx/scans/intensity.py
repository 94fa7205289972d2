"""How stored values become what a network reads: the same in training and inference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from segx.errors import DataError, ScanError
from segx.scans.channels import match_channels
from segx.scans.sampling import in_bands, spread_pixels
from segx.scans.scan import Scan

__all__ = ["SCAN_PIXELS", "Intensity", "ScanScale", "measured_range"]

SCAN_PIXELS = 16_384
"""Number of a scan's pixels, evenly spread, that its own scale is taken from."""

ScanScale = Literal["percentile", "zscore"]
"""How a scan's own scale is measured, see `measured_range`."""

_PERCENTILES = (0.5, 99.5)
_DEVIATIONS = 3.0
_SOMEWHERE = Path("<array>")


@dataclass(frozen=True)
class Intensity:
    """A linear scale from stored values to [0, 1], and from there to mean 0 and std 1.

    One value a channel each. The object is stored with the model. A scale that is each
    scan's own holds 0 and 1 until it is `fitted_to` a scan; before, it scales nothing.

    Args:
        low: Stored value that becomes 0; what lies below is clipped.
        high: Stored value that becomes 1; what lies above is clipped.
        mean: Mean that the encoder was trained with, on the scale 0 … 1.
        std: Standard deviation that the encoder was trained with, on the same scale.
        source: Where low and high come from, in words.
        dtype: Name of the type whose whole range low and high are; images of another
            type are refused then. None for a scale that was measured.
        of_each_scan: How low and high are measured in each scan anew; None where they
            hold for all.

    Raises:
        DataError: If the channels don't agree in number, a value is not finite, or
            `high` is not above `low`.

    Examples:
        >>> scale = Intensity.for_dtype(np.uint8, 1, mean=0.5, std=0.5)
        >>> scale(np.array([[[0], [255]]], np.uint8)).tolist()
        [[[-1.0], [1.0]]]
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    dtype: str | None = None
    of_each_scan: ScanScale | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.low), len(self.high), len(self.mean), len(self.std)}
        if len(lengths) != 1 or lengths == {0}:
            raise DataError(
                "An intensity scale needs one value a channel; low, high, mean and std "
                f"have {len(self.low)}, {len(self.high)}, {len(self.mean)} and "
                f"{len(self.std)}."
            )
        for channel, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            if not (np.isfinite([low, high]).all() and low < high):
                raise DataError(
                    f"Channel {channel} reaches from {low:g} to {high:g} "
                    f"({self.source}): there is nothing to scale. Leave the channel "
                    "out, or look for images that are blank."
                )
        if not (np.isfinite(self.mean).all() and min(self.std) > 0):
            raise DataError(f"Mean {self.mean} and std {self.std} can't be divided by.")

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.low)

    @classmethod
    def for_dtype(
        cls,
        dtype: DTypeLike,
        channels: int,
        *,
        mean: float | Sequence[float],
        std: float | Sequence[float],
    ) -> Self:
        """Scale from all that a type of whole numbers can hold.

        Raises:
            DataError: For floating-point numbers, whose range says nothing.
        """
        kind = np.dtype(dtype)
        if kind.kind not in "bui":
            raise DataError(
                f"Values of type {kind} have no natural range. Take percentiles of the "
                "training images: Intensity.from_percentiles."
            )
        limits = (
            (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
        )
        return cls(
            low=(float(limits[0]),) * channels,
            high=(float(limits[1]),) * channels,
            mean=_each(mean, channels),
            std=_each(std, channels),
            source=f"range of {kind}",
            dtype=kind.name,
        )

    @classmethod
    def from_percentiles(
        cls,
        low: Sequence[float],
        high: Sequence[float],
        *,
        mean: float | Sequence[float],
        std: float | Sequence[float],
        source: str = "percentiles of the training images",
    ) -> Self:
        """Scale from values that were measured, one a channel."""
        return cls(
            low=tuple(float(value) for value in low),
            high=tuple(float(value) for value in high),
            mean=_each(mean, len(low)),
            std=_each(std, len(low)),
            source=source,
        )

    @classmethod
    def from_window(
        cls,
        low: float,
        high: float,
        channels: int,
        *,
        mean: float | Sequence[float],
        std: float | Sequence[float],
    ) -> Self:
        """Scale from a window of values with a meaning, such as Hounsfield units.

        Examples:
            >>> Intensity.from_window(-150, 250, 1, mean=0.5, std=0.5).source
            'window from -150 to 250'
        """
        return cls(
            low=(float(low),) * channels,
            high=(float(high),) * channels,
            mean=_each(mean, channels),
            std=_each(std, channels),
            source=f"window from {low:g} to {high:g}",
        )

    @classmethod
    def for_each_scan(
        cls,
        how: ScanScale,
        channels: int,
        *,
        mean: float | Sequence[float],
        std: float | Sequence[float],
    ) -> Self:
        """A scale that is measured in each scan: intensities without a common unit."""
        return cls(
            low=(0.0,) * channels,
            high=(1.0,) * channels,
            mean=_each(mean, channels),
            std=_each(std, channels),
            source=f"{how} of each scan",
            of_each_scan=how,
        )

    def for_neighbours(self, neighbours: int) -> Self:
        """The same scale for a plane with so many planes on each side as channels."""
        planes = 2 * neighbours + 1
        return replace(
            self,
            low=self.low * planes,
            high=self.high * planes,
            mean=self.mean * planes,
            std=self.std * planes,
        )

    def of_middle(self, neighbours: int) -> Self:
        """The scale of the plane in the middle; the inverse of `for_neighbours`."""
        count = self.channels // (2 * neighbours + 1)
        own = slice(neighbours * count, (neighbours + 1) * count)
        return replace(
            self,
            low=self.low[own],
            high=self.high[own],
            mean=self.mean[own],
            std=self.std[own],
        )

    def fitted_to(self, scan: Scan, *, neighbours: int = 0) -> Self:
        """The scale for one scan: itself, unless it is each scan's own.

        Then the scan is read once, in bands; all planes count.

        Args:
            scan: The scan.
            neighbours: Planes on each side that are read as further channels.

        Raises:
            ScanError: If the scan has channels that don't fit, holds a value that is
                NaN or infinite, or can't be read.
            DataError: If it holds one value only.
        """
        if self.of_each_scan is None:
            return self
        total = scan.planes * scan.extent.pixels
        pixels = spread_pixels(in_bands(scan), total=total, most=SCAN_PIXELS)
        _refuse_infinite(pixels, source=scan.path)
        channels = self.channels // (2 * neighbours + 1)
        matched = match_channels(pixels[:, np.newaxis], channels, source=scan.path)
        low, high = measured_range(matched[:, 0], self.of_each_scan)
        return self.with_range(low, high, source=scan.path)

    def with_range(
        self, low: Sequence[float], high: Sequence[float], *, source: Path
    ) -> Self:
        """The scale of one scan, whose range was measured.

        Args:
            low: Value that becomes 0, one for each channel of a plane.
            high: Value that becomes 1, likewise.
            source: The scan.
        """
        planes = self.channels // len(low)
        return replace(
            self,
            low=tuple(low) * planes,
            high=tuple(high) * planes,
            source=f"{self.of_each_scan} of {source}",
            of_each_scan=None,
        )

    def __call__(
        self, array: NDArray[Any], *, source: Path = _SOMEWHERE
    ) -> NDArray[np.float32]:
        """Stored values to what the encoder reads: `unit`, then `normalise`."""
        return self.normalise(self.unit(array, source=source))

    def unit(
        self, array: NDArray[Any], *, source: Path = _SOMEWHERE
    ) -> NDArray[np.float32]:
        """Scale stored values to [0, 1].

        Args:
            array: Stored values of any type, shape (rows, cols, channels).
            source: What an error calls the image.

        Returns:
            Shape (rows, cols, channels), float32.

        Raises:
            ScanError: If the channels or the type don't fit, or a value is NaN or
                infinite.
            DataError: If the scale is each scan's own, and was not fitted to this one.
        """
        if self.of_each_scan is not None:
            raise DataError(
                f"The intensity scale is each scan's own ({self.source}), and was not "
                f"measured for {source}. Call fitted_to(scan) first."
            )
        if self.dtype not in (None, array.dtype.name):
            raise ScanError(
                f"{source} holds {array.dtype.name} values, and the scale is the whole "
                f"range of {self.dtype}. Convert the image to {self.dtype}, or train "
                "on such images."
            )
        if array.ndim != 3 or array.shape[2] != self.channels:
            raise ScanError(
                f"{source} has shape {array.shape}; the intensity scale is for "
                f"{self.channels} channels, as (rows, cols, channels)."
            )
        _refuse_infinite(array, source=source)
        # float64 where whole numbers of 32 bits don't fit in float32.
        wide = np.result_type(array.dtype, np.float32)
        low, high = _broadcast(self.low, wide), _broadcast(self.high, wide)
        scaled: NDArray[Any] = array.astype(wide)
        scaled -= low
        scaled /= high - low
        return np.asarray(np.clip(scaled, 0, 1, out=scaled), np.float32)

    def normalise(self, unit: NDArray[np.float32]) -> NDArray[np.float32]:
        """Shift and scale [0, 1] to the encoder's mean and standard deviation.

        Args:
            unit: Shape (rows, cols, channels).
        """
        normalised: NDArray[np.float32] = unit - _broadcast(self.mean, np.float32)
        normalised /= _broadcast(self.std, np.float32)
        return normalised


def measured_range(
    pixels: NDArray[Any], how: ScanScale
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The values that become 0 and 1.

    Percentiles are the 0.5th and 99.5th, as for CT in nnU-Net; where nearly all pixels
    are equal, the least and the greatest. A z-score reaches 3 standard deviations to
    each side of the mean. A channel of one value becomes 0 where others tell more, such
    as a colour that a stain leaves empty; only where all are so, low is high.

    Args:
        pixels: Stored values, shape (pixels, channels).
        how: Which of the two.

    Returns:
        Low and high, one value a channel.

    References:
        Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.

    Examples:
        >>> measured_range(np.array([[2.0], [4.0]]), "zscore")
        ((0.0,), (6.0,))
    """
    values = pixels.astype(np.float64)
    if how == "zscore":
        mean, reach = values.mean(axis=0), _DEVIATIONS * values.std(axis=0)
        low, high = mean - reach, mean + reach
    else:
        low, high = np.percentile(values, _PERCENTILES, axis=0)
        flat = low >= high
        low = np.where(flat, values.min(axis=0), low)
        high = np.where(flat, values.max(axis=0), high)
    flat = low >= high
    if not flat.all():
        high = np.where(flat, low + 1, high)
    return tuple(low.tolist()), tuple(high.tolist())


def _refuse_infinite(array: NDArray[Any], *, source: Path) -> None:
    """Raise if a floating-point value is NaN or infinite."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int(np.count_nonzero(~np.isfinite(array)))
        raise ScanError(
            f"{source} holds {count} values that are NaN or infinite. Replace "
            "them, or leave the image out."
        )


def _broadcast(values: tuple[float, ...], dtype: DTypeLike) -> NDArray[Any]:
    """One value a channel, or a single one, which is faster, where all are equal."""
    return np.asarray(values[0] if len(set(values)) == 1 else values, dtype)


def _each(value: float | Sequence[float], channels: int) -> tuple[float, ...]:
    """One value a channel: a single one is repeated."""
    if isinstance(value, Sequence):
        return tuple(float(item) for item in value)
    return (float(value),) * channels
