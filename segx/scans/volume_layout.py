"""Where the voxels of NIfTI, NRRD and MetaImage files lie, byte by byte."""

import gzip
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from segx.errors import ScanError
from segx.scans.suffix import split_suffix

__all__ = ["VoxelLayout", "read_layout"]

_NIFTI_BYTES = 348
_NIFTI_TYPES = {
    2: ("u1", 1),
    4: ("i2", 1),
    8: ("i4", 1),
    16: ("f4", 1),
    64: ("f8", 1),
    128: ("u1", 3),  # RGB
    256: ("i1", 1),
    512: ("u2", 1),
    768: ("u4", 1),
    1024: ("i8", 1),
    1280: ("u8", 1),
    2304: ("u1", 4),  # RGBA
}
_MOST_HEADER_BYTES = 2**20
_NRRD_DOMAINS = ("domain", "space", "time", "none", "???")
_METAIMAGE_PLACE = (
    "ElementSpacing",
    "ElementSize",
    "TransformMatrix",
    "Rotation",
    "Orientation",
    "Offset",
    "Position",
    "Origin",
)


@dataclass(frozen=True)
class VoxelLayout:
    """How a file stores its voxels.

    Args:
        data: The file that holds them; next to a detached header, another one.
        offset: Where they begin, in bytes; None: they end the file.
        is_compressed: They are a gzip or zlib stream.
        byte_order: ``<`` or ``>``.
        sizes: Number of columns, rows and planes, the fastest axis first; of a
            picture the first two.
        channels: Number of values a voxel.
        skip: Inflated bytes that come before the voxels.
        is_planar: Each channel has a volume of its own; else they lie side by side.
        type_code: NumPy's code of a value; None where SimpleITK is to say it.
        scale: Factor and summand that turn stored values into true ones.
    """

    data: Path
    offset: int | None
    is_compressed: bool
    byte_order: str
    sizes: tuple[int, ...]
    channels: int = 1
    skip: int = 0
    is_planar: bool = False
    type_code: str | None = None
    scale: tuple[float, float] | None = None


def read_layout(path: Path) -> VoxelLayout:
    """Read a header, and refuse what is damaged or would be misread.

    Raises:
        ScanError: If the file is of another format, its header is damaged, it holds
            several time points, or its encoding is not supported.
    """
    suffix = split_suffix(path)[1].lower()
    if suffix in (".nii", ".nii.gz"):
        layout = _nifti(path, is_compressed=suffix == ".nii.gz")
    elif suffix in (".nrrd", ".nhdr"):
        layout = _nrrd(path)
    else:
        layout = _metaimage(path)
    if min(layout.sizes) < 1 or layout.channels < 1:
        raise _damaged(path, f"its size is {_times(layout.sizes)}")
    if any(size > 1 for size in layout.sizes[3:]):
        raise ScanError(
            f"{path} holds {math.prod(layout.sizes[3:])} volumes; a scan is one. Save "
            "each time point as a file of its own."
        )
    return layout


def _nifti(path: Path, *, is_compressed: bool) -> VoxelLayout:
    """After the NIfTI-1 standard, nifti.nimh.nih.gov/nifti-1."""
    with gzip.open(path) if is_compressed else path.open("rb") as file:
        head = file.read(_NIFTI_BYTES)
    if len(head) < _NIFTI_BYTES:
        raise _damaged(path, f"its header has {len(head)} of {_NIFTI_BYTES} bytes")
    order = "<" if struct.unpack_from("<i", head)[0] == _NIFTI_BYTES else ">"
    (size,) = struct.unpack_from(f"{order}i", head)
    if size != _NIFTI_BYTES or head[344:348] != b"n+1\0":
        raise ScanError(
            f"{path} is no NIfTI-1 file: its header's size is {size}, its mark "
            f"{head[344:348]!r}. Correct its name, or save it as NIfTI-1 in one file."
        )
    (code,) = struct.unpack_from(f"{order}h", head, 70)
    if code not in _NIFTI_TYPES:
        raise ScanError(
            f"{path} stores values of NIfTI type {code}. Allowed are whole and "
            "floating numbers of up to 64 bits, RGB and RGBA. Convert it."
        )
    _refuse_unplaced_nifti(path, head, order)
    axes, *sizes = struct.unpack_from(f"{order}8h", head, 40)
    if not 1 <= axes <= len(sizes):
        raise _damaged(path, f"it has {axes} axes")
    sizes = [*sizes[:axes], 1, 1][: max(axes, 2)]
    (offset,) = struct.unpack_from(f"{order}f", head, 108)
    if not (math.isfinite(offset) and 0 <= offset < _MOST_HEADER_BYTES):
        raise _damaged(path, f"its voxels begin at byte {offset:g}")
    begin = max(int(offset), _NIFTI_BYTES + 4)
    type_code, samples = _NIFTI_TYPES[code]
    vector = math.prod(sizes[4:5])  # the fifth axis counts the values of a voxel
    return VoxelLayout(
        data=path,
        offset=0 if is_compressed else begin,
        skip=begin if is_compressed else 0,
        is_compressed=is_compressed,
        byte_order=order,
        sizes=(*sizes[:4], *sizes[5:]),
        channels=vector * samples,
        is_planar=vector > 1,
        type_code=type_code,
        scale=_nifti_scale(head, order) if samples == 1 else None,
    )


def _nifti_scale(head: bytes, order: str) -> tuple[float, float] | None:
    """Factor and summand; a factor of 0, or none that is a number, means no scale."""
    factor, summand = struct.unpack_from(f"{order}2f", head, 112)
    if factor == 0 or not math.isfinite(factor) or not math.isfinite(summand):
        return None
    return None if (factor, summand) == (1, 0) else (factor, summand)


def _refuse_unplaced_nifti(path: Path, head: bytes, order: str) -> None:
    """Refuse what is no number in those fields that say where the voxels lie."""
    by_quaternion, by_matrix = struct.unpack_from(f"{order}2h", head, 252)
    fields = [(80, 3)]  # offset and count: spacing, quaternion and matrix
    fields += [(256, 6)] if by_quaternion > 0 else []
    fields += [(280, 12)] if by_matrix > 0 else []
    for offset, count in fields:
        _refuse_unplaced(path, struct.unpack_from(f"{order}{count}f", head, offset))


def _nrrd(path: Path) -> VoxelLayout:
    """After the NRRD format, teem.sourceforge.net/nrrd/format.html."""
    with path.open("rb") as file:
        fields = dict(_nrrd_fields(path, file))
        begin = file.tell()
    encoding = _need(path, fields, "encoding").lower()
    if encoding not in ("raw", "gzip", "gz") or "lineskip" in fields:
        raise ScanError(
            f"{path} is encoded as {encoding}, with {fields.get('lineskip', 0)} lines "
            "skipped. Allowed are raw and gzip, with none: save it as one of these."
        )
    is_compressed = encoding != "raw"
    skip = _whole(path, fields.get("byteskip", "0"))[0]
    if skip < -1 or (skip == -1 and is_compressed):
        raise _damaged(path, f"{skip} bytes are to be skipped")
    name = fields.get("datafile")
    start = 0 if name else begin
    sizes, channel_axis = _nrrd_axes(path, fields)
    return VoxelLayout(
        data=_detached(path, name) if name else path,
        offset=None if skip == -1 else start + (0 if is_compressed else skip),
        is_compressed=is_compressed,
        byte_order=">" if fields.get("endian", "").lower() == "big" else "<",
        sizes=tuple(n for axis, n in enumerate(sizes) if axis != channel_axis),
        channels=1 if channel_axis is None else sizes[channel_axis],
        skip=skip if is_compressed else 0,
        is_planar=channel_axis is not None and channel_axis > 0,
    )


def _nrrd_axes(
    path: Path, fields: dict[str, str]
) -> tuple[tuple[int, ...], int | None]:
    """Size of each axis, and which of them holds the values of a voxel, if one does."""
    sizes = _whole(path, _need(path, fields, "sizes"))
    kinds = fields.get("kinds", "").lower().split() or ["domain"] * len(sizes)
    inner = [axis for axis, kind in enumerate(kinds) if kind not in _NRRD_DOMAINS]
    if len(kinds) != len(sizes) or inner not in ([], [0], [len(sizes) - 1]):
        raise ScanError(
            f"{path} has axes of sizes {_times(sizes)} and kinds {', '.join(kinds)}. "
            "One axis may hold channels, the first or the last. Convert it."
        )
    spacings = fields.get("spacings", "").split()  # that of channels is no number
    told = [text for axis, text in enumerate(spacings) if axis not in inner]
    told += [fields.get(name, "") for name in ("spacedirections", "spaceorigin")]
    _refuse_unplaced(path, told)
    return sizes, inner[0] if inner else None


def _nrrd_fields(path: Path, file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Fields up to the empty line, without blanks in their names."""
    lines = _text_lines(path, file)
    mark = next(lines, "")
    if not mark.startswith("NRRD000"):
        raise ScanError(
            f"{path} is no NRRD file: it begins with {mark[:20]!r}. Correct its name."
        )
    for line in lines:
        if not line:
            return
        name, colon, value = line.partition(": ")
        if colon and not line.startswith("#"):
            yield name.lower().replace(" ", ""), value.strip()
    if split_suffix(path)[1].lower() == ".nrrd":
        raise _damaged(path, "its header has no end")


def _metaimage(path: Path) -> VoxelLayout:
    """After the MetaIO documentation, itk.org/Wiki/ITK/MetaIO/Documentation."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for line in _text_lines(path, file):
            name, equals, value = line.partition("=")
            if not equals:
                raise ScanError(
                    f"{path} is no MetaImage file: its header has the line "
                    f"{line[:20]!r}. Correct its name, or copy it again."
                )
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                break
        begin = file.tell()
    _need(path, fields, "ElementType")
    sizes = _whole(path, _need(path, fields, "DimSize"))
    if _whole(path, _need(path, fields, "NDims")) != (len(sizes),):
        raise _damaged(path, f"it has {fields['NDims']} axes of sizes {_times(sizes)}")
    if fields.get("BinaryData", "True").lower() == "false":
        raise ScanError(f"{path} holds numbers as text. Save it with binary data.")
    _refuse_unplaced(path, [fields.get(name, "") for name in _METAIMAGE_PLACE])
    name = _need(path, fields, "ElementDataFile")
    is_local = name.lower() == "local"
    is_compressed = fields.get("CompressedData", "").lower() == "true"
    skip = _whole(path, fields.get("HeaderSize", "0"))[0]
    if skip < -1 or (skip and (is_local or is_compressed)):
        raise _damaged(path, f"its HeaderSize is {skip}")
    is_big = any(
        fields.get(key, "").lower() == "true"
        for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    )
    return VoxelLayout(
        data=path if is_local else _detached(path, name),
        offset=None if skip == -1 else skip + begin * is_local,
        is_compressed=is_compressed,
        byte_order=">" if is_big else "<",
        sizes=sizes,
        channels=_whole(path, fields.get("ElementNumberOfChannels", "1"))[0],
    )


def _detached(path: Path, name: str) -> Path:
    """The one file beside a header that holds its voxels."""
    data = path.parent / name
    if not data.resolve().is_relative_to(path.parent.resolve()):
        raise ScanError(
            f"{path} takes its voxels from {name}, which is outside of its folder. Put "
            "both files into one folder, and name the second without a path."
        )
    if not data.is_file():
        raise ScanError(
            f"{path} takes its voxels from {name}, which is not there; one file is "
            "allowed, without a list or a pattern. Copy it, too, or save them as one."
        )
    return data


def _text_lines(path: Path, file: BinaryIO) -> Iterator[str]:
    """Lines of a text header; what is none is refused before it fills the memory."""
    while line := file.readline(_MOST_HEADER_BYTES):
        if file.tell() > _MOST_HEADER_BYTES:
            raise _damaged(path, "its header has no end")
        yield line.decode("utf-8", errors="replace").strip()


def _need(path: Path, fields: dict[str, str], name: str) -> str:
    if not fields.get(name):
        raise _damaged(path, f"its header says no {name}")
    return fields[name]


def _whole(path: Path, text: str) -> tuple[int, ...]:
    """Whole numbers in a text, at least one."""
    words = text.split()
    if not words or not all(word.lstrip("-").isdecimal() for word in words):
        raise _damaged(path, f"its header says {text!r} for whole numbers")
    return tuple(map(int, words))


def _times(sizes: Iterable[int]) -> str:
    return "x".join(map(str, sizes))


def _damaged(path: Path, found: str) -> ScanError:
    return ScanError(f"{path} is damaged or cut short: {found}. Copy it again.")


def _refuse_unplaced(path: Path, told: Iterable[object]) -> None:
    """Refuse a NaN in a spacing or place: SimpleITK puts 1 mm or 0 in its stead."""
    text = " ".join(map(str, told)).strip()
    if any(word in text.lower() for word in ("nan", "inf")):
        raise ScanError(
            f"{path} does not say where its voxels lie: its header has the numbers "
            f"{text}. Give it a spacing and a place in mm."
        )
