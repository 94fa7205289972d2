from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.errors import ScanError
from segx.geometry import Region
from segx.scans import open_channels
from tests.phantoms import write_volume


def grey(path: Path, *, seed: int, size: tuple[int, int] = (7, 9)) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 255, size, np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_channels_follow_the_order_of_the_files(tmp_path: Path) -> None:
    files = [grey(tmp_path / f"{seed}.png", seed=seed) for seed in range(3)]
    with open_channels(files) as scan:
        region = Region(1, 2, 4, 5)
        read = scan.read(region)
        assert (scan.channels, scan.path) == (3, files[0])
    for channel, file in enumerate(files):
        stored = np.asarray(Image.open(file))[region.slices]
        assert np.array_equal(read[..., channel], stored)


def test_a_wider_type_holds_narrower_ones(tmp_path: Path) -> None:
    wide = np.full((7, 9), 40_000, np.uint16)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    with open_channels(
        [grey(tmp_path / "a.png", seed=0), tmp_path / "wide.png"]
    ) as scan:
        assert scan.dtype == np.uint16
        assert (scan.read_all()[..., 1] == wide).all()


def test_files_of_another_size_are_refused(tmp_path: Path) -> None:
    files = [grey(tmp_path / "a.png", seed=0), tmp_path / "b.png"]
    grey(files[1], seed=1, size=(9, 7))
    with pytest.raises(ScanError, match=r"b.png has 1 planes of 9x7 px"):
        open_channels(files)


def test_volumes_of_another_place_are_refused(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), np.int16)
    files = [
        write_volume(tmp_path / f"{x}.nii.gz", array, origin_mm=(x, 0, 0))
        for x in (0.0, 3.0)
    ]
    with pytest.raises(ScanError, match="lies elsewhere"):
        open_channels(files)
    with open_channels([files[0], files[0]]) as scan:
        assert (scan.channels, scan.planes) == (2, 3)
        assert scan.space is not None


def test_one_file_is_opened_as_it_is(tmp_path: Path) -> None:
    with open_channels([grey(tmp_path / "a.png", seed=0)]) as scan:
        assert type(scan).__name__ == "RasterScan"
