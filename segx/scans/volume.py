"""NIfTI, NRRD and MetaImage volumes, read plane by plane along any axis."""

import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from segx.errors import ScanError
from segx.geometry import Extent, Region
from segx.scans.damage import reading
from segx.scans.scan import Scan
from segx.scans.volume_header import VolumeHeader, read_volume_header

__all__ = ["VolumeScan"]

_ORDERS = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
_LARGEST_ID = 2**53  # up to here, a float is sure to be the whole number that was meant
_CHUNK = 2**16
_GZIP_OR_ZLIB = 47  # 32: look which of the two it is; 15: a window of any size


class VolumeScan(Scan):
    """A volume: its voxels as they are stored, neither turned nor resampled.

    SimpleITK reads the header. Voxels that are not compressed are mapped: a read
    touches what it returns. Compressed ones are inflated on the first read and kept.

    Args:
        path: A file .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd.
        as_mask: Return whole-numbered floats as integers, and refuse values that are
            no ids.
        axis: The stored axis along which planes follow each other: 0 is the slowest,
            2 the fastest. The other two keep their order, as rows and columns.

    Raises:
        ScanError: If there is no such axis, or the file is missing, damaged, cut
            short, too large to inflate, of several time points, or has axes that are
            not at right angles.
        MissingExtraError: If SimpleITK is not installed.
    """

    def __init__(self, path: Path, *, as_mask: bool = False, axis: int = 0) -> None:
        if axis not in (0, 1, 2):
            raise ScanError(
                f"{path} can't be cut along axis {axis}: a volume has axes 0, 1 and 2, "
                "the slowest first."
            )
        with reading(path):
            header = read_volume_header(path)
        if header.is_picture and axis != 0:
            raise ScanError(
                f"{path} can't be cut along axis {axis}: it is a single plane. Take "
                "axis 0."
            )
        self.header = header
        self.order = _ORDERS[axis]
        """The stored axes that are the scan's planes, rows and columns."""
        self._as_mask = as_mask
        self._voxels: NDArray[Any] | None = None
        self._is_closed = False
        planes, rows, cols = (header.shape[stored] for stored in self.order)
        dtype, space = header.dtype, header.space
        super().__init__(
            path,
            extent=Extent(rows, cols),
            channels=header.layout.channels,
            dtype=np.dtype(np.int64) if as_mask and dtype.kind == "f" else dtype,
            planes=planes,
            spacing_mm=space.pixel_mm,
            space=None if header.is_picture else space.reordered(self.order),
        )

    def close(self) -> None:
        """Let go of the file and of its voxels."""
        self._voxels, self._is_closed = None, True

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        if self._is_closed:
            raise ScanError(f"{self.path} was closed. Open it again to read it.")
        if self._voxels is None:
            with reading(self.path):
                stored = self.header.arranged(_stored_values(self.header))
            self._voxels = stored.transpose(*self.order, 3)
        values = self.header.scaled(self._voxels[plane][region.slices])
        if self._as_mask:
            self._refuse_other_than_ids(values)
        return np.ascontiguousarray(values, self.dtype)

    def _refuse_other_than_ids(self, values: NDArray[Any]) -> None:
        is_id = (values >= 0) & (values <= _LARGEST_ID)
        if values.dtype.kind == "f":
            is_id &= values == np.rint(values)
        if not is_id.all():
            found = ", ".join(f"{value:g}" for value in np.unique(values[~is_id])[:5])
            raise ScanError(
                f"{self.path} can't be read as a mask: it holds {found}. Ids are whole "
                "numbers from 0: was it smoothed or resampled, or is it an image?"
            )


def _stored_values(header: VolumeHeader) -> NDArray[Any]:
    """All values in the file's order and byte order, one after the other."""
    data, skip, dtype = header.layout.data, header.layout.skip, header.stored_dtype
    if not header.layout.is_compressed:
        values = header.voxel_bytes // dtype.itemsize
        return np.memmap(data, dtype, "r", header.offset, (values,))
    with data.open("rb") as file:
        file.seek(header.offset)
        return _inflate(file, skip + header.voxel_bytes)[skip:].view(dtype)


def _inflate(file: BinaryIO, size: int) -> NDArray[np.uint8]:
    """The first `size` bytes of a gzip or zlib stream, whose checksums are held to.

    The stream is inflated to its end, where the checksum stands; gzip streams may
    follow one another.
    """
    inflated = np.empty(size, np.uint8)
    filled = 0
    stream = zlib.decompressobj(_GZIP_OR_ZLIB)
    while chunk := file.read(_CHUNK):
        while chunk:
            block = np.frombuffer(stream.decompress(chunk), np.uint8)[: size - filled]
            inflated[filled : filled + len(block)] = block
            filled += len(block)
            chunk = stream.unused_data
            if stream.eof and filled == size:
                return inflated
            if stream.eof:
                stream = zlib.decompressobj(_GZIP_OR_ZLIB)
    raise EOFError(f"the compressed voxels break off after {filled} of {size} bytes")
