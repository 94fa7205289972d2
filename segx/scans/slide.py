"""Whole slides in the formats of the scanners' makers, through OpenSlide."""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tifffile import TiffFile, TiffPage

from segx.errors import MissingExtraError, ScanError
from segx.extras import install_extra
from segx.geometry import Extent, Region
from segx.scans.damage import reading
from segx.scans.raster import MOST_PIXELS
from segx.scans.scan import Scan

__all__ = ["SLIDE_SUFFIXES", "SlideScan"]

_logger = logging.getLogger(__name__)

SLIDE_SUFFIXES = (
    ".svs",
    ".svslide",
    ".ndpi",
    ".mrxs",
    ".scn",
    ".vms",
    ".vmu",
    ".bif",
)
"""Suffixes of the files that are read as whole slides."""

_TIFFS = (".svs", ".svslide", ".ndpi", ".scn", ".bif")
_TIFFSLIDE_SUFFIXES = (".svs", ".ndpi")
_BLOCK = 256  # pixels; how levels are cut that don't fit the full one's grid


class SlideScan(Scan):
    """A whole slide, in RGB; what the scanner left out is white.

    OpenSlide reads it, or, for .svs and .ndpi where OpenSlide is not installed,
    tiffslide; the log says which. A level whose downsampling is no whole number is
    read by OpenSlide in blocks that lie up to half a pixel of the full resolution off
    their place, and are interpolated.

    Args:
        path: The file; what lies beside it (.mrxs, .vms) is found by its name.
        as_mask: Of no effect: slides have colours, never ids.

    Raises:
        MissingExtraError: If no package is installed that reads the format.
        ScanError: If the file is missing, damaged or of an unknown kind.

    References:
        Goode et al. 2013, doi:10.4103/2153-3539.119005.
    """

    def __init__(self, path: Path, *, as_mask: bool = False) -> None:
        if not path.is_file():
            raise ScanError(f"There is no file {path}. Check the name.")
        self._library = _library_for(path)
        if path.suffix.lower() in _TIFFS:
            _refuse_implausible(path)
        with self._reading(path):
            slide: _Slide = self._library.open(path)
            levels = [Extent(rows, cols) for cols, rows in slide.level_dimensions]
            self._downsamples = slide.level_downsamples
            prefix = self._library.name
            microns = [slide.properties.get(f"{prefix}.mpp-{axis}") for axis in "yx"]
            spacing_mm = _spacing_mm(microns)
        self._slide = slide
        super().__init__(
            path,
            extent=levels[0],
            channels=3,
            dtype=np.dtype(np.uint8),
            spacing_mm=spacing_mm,
            levels=tuple(levels),
        )
        self._is_open = True

    def close(self) -> None:
        """Let go of the file."""
        if self._is_open:
            self._slide.close()
        self._is_open = False

    def _read(self, region: Region, *, plane: int, level: int) -> NDArray[Any]:
        if not self._is_open:
            raise ScanError(f"{self.path} was closed. Open it again to read it.")
        if self._downsamples[level].is_integer():
            return self._rectangle(region, level)
        # Between the pixels of the full resolution, readers interpolate or round, by
        # where the region begins: cut on a fixed grid, no pixel depends on it.
        pixels = np.empty((region.rows, region.cols, 3), np.uint8)
        for block in _blocks(region, self.levels[level]):
            values = self._rectangle(block, level)
            _paste(values, block, pixels, region)
        return pixels

    def _rectangle(self, region: Region, level: int) -> NDArray[np.uint8]:
        """Pixels as the library gives them, on white, (rows, cols, 3)."""
        factor, round_off = self._downsamples[level], self._library.round_off
        location = round_off(region.left * factor), round_off(region.top * factor)
        with self._reading(self.path):
            picture = self._slide.read_region(
                location, level, (region.cols, region.rows)
            )
        if picture.mode != "RGBA":
            return np.asarray(picture.convert("RGB"))
        white = Image.new("RGB", picture.size, (255, 255, 255))
        white.paste(picture, mask=picture.getchannel("A"))
        return np.asarray(white)

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        """Turn what the library raises into a `ScanError` that names `path`."""
        with reading(path):
            try:
                yield
            except self._library.errors as error:
                raise RuntimeError(str(error)) from error


class _Slide(Protocol):
    """What OpenSlide and tiffslide have in common."""

    @property
    def level_dimensions(self) -> tuple[tuple[int, int], ...]: ...

    @property
    def level_downsamples(self) -> tuple[float, ...]: ...

    @property
    def properties(self) -> Any: ...

    def read_region(
        self, location: tuple[int, int], level: int, size: tuple[int, int]
    ) -> Image.Image: ...

    def close(self) -> None: ...


def _refuse_implausible(path: Path) -> None:
    """Refuse sizes that can't be true.

    Where OpenSlide can't have the memory that a damaged header asks for, it ends the
    process.
    """
    with reading(path), TiffFile(path, _multifile=False) as file:
        pages = [page for page in file.pages if isinstance(page, TiffPage)]
        for number, page in enumerate(pages):
            tiles, offsets = math.prod(page.chunked), len(page.dataoffsets)
            pixels = math.prod(page.chunks)
            if page.is_tiled and (tiles > offsets or pixels > MOST_PIXELS):
                raise ScanError(
                    f"{path} is damaged: its page {number} of {page.imagelength}x"
                    f"{page.imagewidth} px has {offsets} of {tiles} tiles, of "
                    f"{pixels} values. Copy it again."
                )


class _Library(NamedTuple):
    """A package that reads slides.

    Args:
        name: What its properties' names begin with.
        open: Opens a slide.
        round_off: Gives the pixel of the full resolution that stands for a place
            between two. OpenSlide interpolates, so that the nearest one is best;
            tiffslide rounds down when it goes back to the level, so that the next one
            is exact.
        errors: What it raises beside Python's own errors.
    """

    name: str
    open: Callable[[Path], _Slide]
    round_off: Callable[[float], int]
    errors: tuple[type[Exception], ...] = ()


def _library_for(path: Path) -> _Library:
    """The best library at hand; the log says which."""
    try:
        import openslide
    except ImportError:  # the package, or the library that it looks for
        return _tiffslide(path)
    _logger.info("%s is read by OpenSlide %s.", path, openslide.__library_version__)
    errors = (openslide.OpenSlideError,)
    return _Library("openslide", openslide.OpenSlide, round, errors)


def _tiffslide(path: Path) -> _Library:
    """The library that reads some formats where OpenSlide is missing."""
    install = install_extra("wsi")
    if path.suffix.lower() not in _TIFFSLIDE_SUFFIXES:
        raise MissingExtraError(
            f"{path} is read by OpenSlide, which is not installed: {install}"
        )
    try:
        import tiffslide
    except ImportError as error:
        raise MissingExtraError(
            f"{path} is read by OpenSlide or tiffslide; neither is installed: {install}"
        ) from error
    release = version("tiffslide")
    _logger.info("%s is read by tiffslide %s, for want of OpenSlide.", path, release)
    return _Library("tiffslide", tiffslide.TiffSlide, math.ceil)


def _spacing_mm(microns: list[Any]) -> tuple[float, float] | None:
    """Height and width of a pixel, of what the scanner says in micrometres."""
    sizes = [float(size) for size in microns if size is not None]
    if len(sizes) != 2 or not all(0 < size < math.inf for size in sizes):
        return None
    return sizes[0] / 1000, sizes[1] / 1000


def _blocks(region: Region, extent: Extent) -> Iterator[Region]:
    """The blocks of a level's fixed grid that a region touches."""
    for top in range(region.top // _BLOCK * _BLOCK, region.bottom, _BLOCK):
        for left in range(region.left // _BLOCK * _BLOCK, region.right, _BLOCK):
            rows = min(_BLOCK, extent.rows - top)
            cols = min(_BLOCK, extent.cols - left)
            yield Region(top, left, rows, cols)


def _paste(
    values: NDArray[np.uint8], place: Region, target: NDArray[np.uint8], region: Region
) -> None:
    """Copy what of a block lies inside `region` to `target`, which covers it."""
    top, bottom = max(place.top, region.top), min(place.bottom, region.bottom)
    left, right = max(place.left, region.left), min(place.right, region.right)
    target[
        top - region.top : bottom - region.top, left - region.left : right - region.left
    ] = values[
        top - place.top : bottom - place.top, left - place.left : right - place.left
    ]
