"""What a volume's header says: layout of the voxels, and their place in the patient."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Space, Vector
from segx.scans.itk import image_io, simpleitk
from segx.scans.volume_layout import VoxelLayout, read_layout

__all__ = ["MOST_BYTES", "VolumeHeader", "read_volume_header"]

MOST_BYTES = 2**32
"""Largest compressed volume that is inflated, in bytes of its voxels."""

_MOST_INFLATION = 1032  # deflate makes no more bytes of one, zlib.net/zlib_tech.html
_SKEW = 1e-3  # headers that are written with three decimals are that far from right


@dataclass(frozen=True)
class VolumeHeader:
    """A volume as it is stored: planes, rows, columns, the slowest axis first.

    Args:
        layout: Where the voxels lie in the file.
        offset: Where they begin in the file, in bytes.
        shape: Number of planes, rows and columns.
        stored_dtype: Type of the stored values, in the file's byte order.
        dtype: Type of the values, once scaled.
        space: Where the voxels lie in the patient.
        is_picture: The file has no axis for planes.
    """

    layout: VoxelLayout
    offset: int
    shape: tuple[int, int, int]
    stored_dtype: np.dtype[Any]
    dtype: np.dtype[Any]
    space: Space
    is_picture: bool

    @property
    def voxel_bytes(self) -> int:
        """Number of bytes that all voxels take."""
        values = math.prod(self.shape) * self.layout.channels
        return values * self.stored_dtype.itemsize

    def arranged(self, values: NDArray[Any]) -> NDArray[Any]:
        """A view of all stored values as (planes, rows, cols, channels)."""
        if self.layout.is_planar:
            return np.moveaxis(values.reshape(-1, *self.shape), 0, 3)
        return values.reshape(*self.shape, -1)

    def scaled(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Stored values as true ones, in native byte order."""
        if self.layout.scale is None:
            return stored.astype(self.dtype)
        factor, summand = self.layout.scale
        with np.errstate(over="ignore", invalid="ignore"):  # inf and NaN say it
            return (stored.astype(np.float64) * factor + summand).astype(self.dtype)


def read_volume_header(path: Path) -> VolumeHeader:
    """Read a header, and refuse what is damaged, too large or would be misread.

    Raises:
        ScanError: See `read_layout`; and if the axes are not at right angles, there are
            fewer bytes than announced, or more than `MOST_BYTES` to inflate.
        MissingExtraError: If SimpleITK is not installed.
    """
    layout = read_layout(path)
    sizes = (*layout.sizes, 1)[:3]
    seen = _Seen.of(path)
    itk_sizes = (*seen.sizes, 1, 1)[:3]
    if itk_sizes != sizes or seen.dtype.kind not in "iuf":
        raise ScanError(
            f"{path} holds {sizes} voxels by its header, and {itk_sizes} of type "
            f"{seen.dtype} by SimpleITK. Allowed are whole and floating numbers, in "
            "rows, columns and planes: convert it."
        )
    code = layout.type_code or seen.dtype.str[1:]
    stored_dtype = np.dtype(layout.byte_order + code)
    header = VolumeHeader(
        layout=layout,
        offset=layout.offset or 0,
        shape=(sizes[2], sizes[1], sizes[0]),
        stored_dtype=stored_dtype,
        dtype=_scaled_dtype(layout, stored_dtype),
        space=seen.space(path),
        is_picture=len(seen.sizes) < 3,
    )
    return _with_offset(path, header)


def _with_offset(path: Path, header: VolumeHeader) -> VolumeHeader:
    """Fill in the offset, if the file can hold the voxels that its header announces."""
    layout = header.layout
    needed = layout.skip + header.voxel_bytes
    found = layout.data.stat().st_size
    offset = found - needed if layout.offset is None else layout.offset
    most = found * _MOST_INFLATION if layout.is_compressed else found
    if offset < 0 or offset + needed > most:
        raise ScanError(
            f"{path} is cut short: its header announces {needed} bytes of voxels, and "
            f"{layout.data.name} has {found} bytes. Copy it again."
        )
    if layout.is_compressed and needed > MOST_BYTES:
        raise ScanError(
            f"{path} inflates to {needed / 2**30:.1f} GiB; {MOST_BYTES / 2**30:.0f} "
            "are allowed. Save it without compression: then it is read piece by piece."
        )
    return replace(header, offset=offset)


def _scaled_dtype(layout: VoxelLayout, stored: np.dtype[Any]) -> np.dtype[Any]:
    """The stored type in native order; of scaled values a float that can hold them."""
    if layout.scale is None:
        return stored.newbyteorder("=")
    is_small = stored.itemsize <= 2 or stored == np.float32
    return np.dtype(np.float32 if is_small else np.float64)


@dataclass(frozen=True)
class _Seen:
    """What SimpleITK sees in a header; columns first, as it counts."""

    sizes: tuple[int, ...]
    dtype: np.dtype[Any]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @classmethod
    def of(cls, path: Path) -> "_Seen":
        """Let SimpleITK read the header of a file."""
        sitk = simpleitk(path)
        reader = sitk.ImageFileReader()
        reader.SetImageIO(image_io(path))
        reader.SetFileName(str(path))
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            reason = str(error).strip().rpartition("\n")[2].rpartition("): ")[2]
            raise ScanError(
                f"{path} can't be read: {reason.strip().rstrip('.')}. Its header is "
                "damaged, or has axes that are not at right angles: copy it again, or "
                "resample it."
            ) from error
        kind = reader.GetPixelID()
        voxel = sitk.Image([1, 1], kind, reader.GetNumberOfComponents())
        return cls(
            sizes=reader.GetSize(),
            dtype=sitk.GetArrayViewFromImage(voxel).dtype,
            spacing=reader.GetSpacing(),
            origin=reader.GetOrigin(),
            direction=reader.GetDirection(),
        )

    def space(self, path: Path) -> Space:
        """The place of the voxels; a picture lies in the first plane, 1 mm thick."""
        axes = min(len(self.sizes), 3)
        matrix = np.eye(3)  # one column an axis
        every = np.reshape(self.direction, (len(self.sizes), -1))
        matrix[:axes, :axes] = every[:axes, :axes]
        spacing = (*self.spacing, 1.0, 1.0)[:3]
        origin = (*self.origin, 0.0, 0.0)[:3]
        is_placed = np.all(np.isfinite([*spacing, *origin])) and min(spacing) > 0
        skew = np.abs(matrix.T @ matrix - np.eye(3)).max()
        if not (is_placed and skew <= _SKEW):
            raise ScanError(
                f"{path} has spacing {spacing}, origin {origin} and directions "
                f"{matrix.T.tolist()}. Allowed are positive spacings in mm and axes at "
                "right angles, of length 1: correct its header, or resample it."
            )
        across, down, deep = (_vector(axis) for axis in matrix.T.tolist())
        return Space(
            spacing_mm=(spacing[2], spacing[1], spacing[0]),
            origin_mm=_vector(origin),
            directions=(deep, down, across),
        )


def _vector(values: Sequence[float]) -> Vector:
    left, posterior, superior = values
    return left, posterior, superior
