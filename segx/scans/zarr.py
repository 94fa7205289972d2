"""Zarr arrays and OME-Zarr images, read chunk by chunk."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segx.errors import MissingExtraError, ScanError
from segx.extras import install_extra
from segx.geometry import Extent, Region, Space
from segx.scans.damage import reading
from segx.scans.ome_zarr import Axis, read_multiscale
from segx.scans.raster import MOST_PIXELS
from segx.scans.scan import Scan

if TYPE_CHECKING:
    import zarr

__all__ = ["ZarrScan", "require_zarr"]

_METADATA = ("zarr.json", ".zgroup", ".zarray")
_PLANE_AXES = ("t", "z")


class ZarrScan(Scan):
    """An OME-Zarr image (0.4 or 0.5), or an array whose axes have names.

    The axes are y and x, with c for channels and one of t and z for planes, in any
    order; axes of length 1 don't count. An array of two axes needs no names. Chunks
    that are not there are blank: the format does not tell them from lost ones.

    Args:
        path: The folder.
        as_mask: Of no effect: an array has ids or brightness, never a palette.

    Raises:
        MissingExtraError: If zarr is not installed.
        ScanError: If the folder is missing, damaged, no image, or has too many axes.

    References:
        Moore et al. 2023, doi:10.1007/s00418-023-02209-1.
    """

    def __init__(self, path: Path, *, as_mask: bool = False) -> None:
        if not any((path / name).is_file() for name in _METADATA):
            raise ScanError(
                f"{path} is no Zarr folder: none of {', '.join(_METADATA)} is in it. "
                "Check the name, or copy it again."
            )
        require_zarr(path)
        with reading(path):
            axes, arrays = _open(path)
        self._names = "".join(axis.name for axis in axes)
        sizes = dict(zip(self._names, arrays[0].shape, strict=True))
        _refuse_unreadable(path, sizes, arrays)
        # Levels that have fewer planes, too, are none of a scan's.
        self._arrays = [array for array in arrays if _planes_agree(array, sizes)]
        self._plane_axis = "t" if sizes.get("t", 1) > 1 else "z"
        steps = {axis.name: axis.step_mm for axis in axes}
        spacing_mm = _both(steps["y"], steps["x"])
        depth_mm = steps.get("z") if self._plane_axis == "z" else None
        super().__init__(
            path,
            extent=self._extent(self._arrays[0]),
            channels=sizes.get("c", 1),
            dtype=self._arrays[0].dtype.newbyteorder("="),
            planes=sizes.get(self._plane_axis, 1),
            spacing_mm=spacing_mm,
            space=Space((depth_mm, *spacing_mm)) if depth_mm and spacing_mm else None,
            levels=tuple(self._extent(array) for array in self._arrays),
        )

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        rows, cols = region.slices
        places: dict[str, slice | int] = {"t": 0, "z": 0, "c": slice(None)}
        places |= {self._plane_axis: plane, "y": rows, "x": cols}
        index = tuple(places[name] for name in self._names)
        array = self._arrays[level]
        with reading(self.path):
            _refuse_damaged_chunks(self.path, array, index)
            stored = np.asarray(array[index])
        left = [name for name in self._names if isinstance(places[name], slice)]
        if "c" not in left:
            left, stored = [*left, "c"], stored[..., np.newaxis]
        pixels = stored.transpose([left.index(name) for name in "yxc"])
        return np.ascontiguousarray(pixels, self.dtype)

    def _extent(self, array: "zarr.Array[Any]") -> Extent:
        rows, cols = (array.shape[self._names.index(name)] for name in "yx")
        return Extent(rows, cols)


def require_zarr(path: Path) -> None:
    """Say what to install where zarr is missing.

    Raises:
        MissingExtraError: If it is.
    """
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is a Zarr folder, and zarr is not installed: "
            f"{install_extra('zarr')}"
        ) from error


def _open(path: Path) -> tuple[tuple[Axis, ...], list["zarr.Array[Any]"]]:
    """The axes, and the arrays of all levels that are alike."""
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return _axes_of(path, node), [node]
    image = read_multiscale(path, node.attrs)
    nodes = [node[name] for name in image.paths]
    arrays = [array for array in nodes if isinstance(array, zarr.Array)]
    kinds = {(array.ndim, array.dtype) for array in arrays}
    if len(arrays) < len(nodes) or len(kinds) != 1 or arrays[0].ndim != len(image.axes):
        raise ScanError(
            f"{path} announces levels {', '.join(image.paths)} of axes "
            f"{''.join(axis.name for axis in image.axes)}, and they are no arrays of "
            "so many axes and one type. It is damaged: copy it again."
        )
    return image.axes, arrays


def _axes_of(path: Path, array: "zarr.Array[Any]") -> tuple[Axis, ...]:
    """The axes of an array that is no part of an OME-Zarr."""
    named: Any = getattr(array.metadata, "dimension_names", None)
    names: Any = named or array.attrs.get("_ARRAY_DIMENSIONS")
    if not names and array.ndim == 2:
        names = ("y", "x")
    if not names or not all(isinstance(name, str) for name in names):
        raise ScanError(
            f"{path} is an array of shape {array.shape} whose axes have no names. Name "
            "them (dimension_names: z, y, x, c), or save it as OME-Zarr."
        )
    return tuple(Axis(name.lower()) for name in names)


def _refuse_unreadable(
    path: Path, sizes: dict[str, int], arrays: list["zarr.Array[Any]"]
) -> None:
    """Refuse axes and values that are no scan's, and chunks too large to decode."""
    names = list(sizes)
    deep = [name for name in _PLANE_AXES if sizes.get(name, 1) > 1]
    is_known = {"y", "x"} <= set(names) <= {"t", "c", "z", "y", "x"}
    if not is_known or len(sizes) != arrays[0].ndim or len(deep) > 1:
        found = ", ".join(f"{name}: {size}" for name, size in sizes.items())
        raise ScanError(
            f"{path} has the axes {found}; a scan has y and x, c for channels, "
            "and planes along one of t and z. Save the parts as images of their own, "
            "such as one for each point in time."
        )
    for array in arrays:
        if array.dtype.kind not in "biuf" or 0 in array.shape:
            raise ScanError(
                f"{path} holds {array.dtype} values, shape {array.shape}. Whole and "
                "floating numbers are allowed, with at least one pixel."
            )
        pixels = math.prod(array.chunks)
        if pixels > MOST_PIXELS:
            raise ScanError(
                f"{path} must be decoded in chunks of {pixels / 1e6:.0f} million "
                f"values; {MOST_PIXELS / 1e6:.0f} million are allowed. Save it in "
                "smaller chunks."
            )


def _refuse_damaged_chunks(
    path: Path, array: "zarr.Array[Any]", index: Sequence[slice | int]
) -> None:
    """Refuse chunks that are shorter than they say: Blosc does not look, and reads on.

    A chunk's first 16 bytes tell its size, unpacked from byte 4, packed from byte 12.
    Filters before Blosc may have made it several times as large as its values.

    References:
        https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst
    """
    kinds = {type(codec).__name__ for codec in array.compressors}
    if not kinds & {"Blosc", "BloscCodec"} or array.shards is not None:
        return
    most = 8 * math.prod(array.chunks) * array.dtype.itemsize
    touched = [
        range(*_chunks(place, size, chunk))
        for place, size, chunk in zip(index, array.shape, array.chunks, strict=True)
    ]
    for place in itertools.product(*touched):
        file = path / array.path / array.metadata.encode_chunk_key(place)
        if not file.is_file():
            continue  # blank
        with file.open("rb") as stream:
            header = stream.read(16)
        found = file.stat().st_size
        stated = int.from_bytes(header[12:], "little")
        unpacked = int.from_bytes(header[4:8], "little")
        if len(header) < 16 or found < stated or unpacked > most:
            raise ScanError(
                f"{path} is damaged: its chunk {file.relative_to(path)} has {found} "
                f"bytes, and says that it has {stated}, which hold {unpacked}. Copy it "
                "again."
            )


def _chunks(place: slice | int, size: int, chunk: int) -> tuple[int, int]:
    """First and last + 1 of the chunks along one axis that an index touches."""
    if isinstance(place, int):
        return place // chunk, place // chunk + 1
    start, stop, _ = place.indices(size)
    return start // chunk, (stop - 1) // chunk + 1


def _planes_agree(array: "zarr.Array[Any]", sizes: dict[str, int]) -> bool:
    """Whether a level differs from the full resolution in rows and columns alone."""
    pairs = zip(array.shape, sizes.items(), strict=True)
    return all(found == size for found, (name, size) in pairs if name not in "yx")


def _both(rows: float | None, cols: float | None) -> tuple[float, float] | None:
    return None if rows is None or cols is None else (rows, cols)
