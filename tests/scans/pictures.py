"""Small seeded pictures, and the files that hold them."""

from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image


def colour(rows: int = 24, cols: int = 30, *, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth picture with noise, so that it compresses and differs everywhere."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[:rows, :cols]
    smooth = np.stack([down * 5, across * 5, (down + across) * 3], axis=2)
    return ((smooth + random.integers(0, 40, smooth.shape)) % 256).astype(np.uint8)


def deep(channels: int = 1, *, seed: int = 0) -> NDArray[np.uint16]:
    """A picture whose values need all 16 bits."""
    random = np.random.default_rng(seed)
    return random.integers(0, 2**16, (24, 30, channels), np.uint16)


def write_every_format(folder: Path) -> dict[str, Path]:
    """One file of each kind that is read, by what it is."""
    picture = colour(60, 70)
    image = Image.fromarray(picture)
    files = {
        "png": folder / "rgb.png",
        "jpeg": folder / "rgb.jpg",
        "bmp": folder / "rgb.bmp",
        "palette png": folder / "palette.png",
        "deep png": folder / "deep.png",
    }
    image.save(files["png"])
    image.save(files["jpeg"])
    image.save(files["bmp"])
    image.quantize(7).save(files["palette png"])
    files["deep png"].write_bytes(imagecodecs.png_encode(deep(3)))
    for name in (None, "lzw", "zlib", "jpeg", "packbits"):
        for tile in (None, (16, 32)):
            kind = f"{name} {'tiled' if tile else 'striped'} tiff"
            files[kind] = folder / f"{kind}.tif"
            tifffile.imwrite(
                files[kind],
                picture,
                compression=name,
                tile=tile,
                rowsperstrip=None if tile else 7,
                photometric="rgb",
            )
    files["pyramidal tiff"] = folder / "pyramid.tif"
    with tifffile.TiffWriter(files["pyramidal tiff"]) as writer:
        layout = {"photometric": "rgb", "tile": (16, 16), "compression": "zlib"}
        writer.write(picture, subifds=1, **layout)
        writer.write(picture[::2, ::2], subfiletype=1, **layout)
    files["stacked tiff"] = folder / "stack.ome.tif"
    tifffile.imwrite(
        files["stacked tiff"],
        np.stack([picture, picture[::-1]]),
        photometric="rgb",
        metadata={"axes": "ZYXS"},
    )
    files["paged tiff"] = folder / "pages.ome.tif"
    planes = np.moveaxis(picture, 2, 0).copy()
    tifffile.imwrite(
        files["paged tiff"],
        planes,
        photometric="minisblack",
        metadata={"axes": "CYX"},
    )
    return files
