"""A glance at a scan looks like the whole scan, made small."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from segx.errors import ScanError
from segx.geometry import Extent
from segx.pages.glance import glance
from segx.pages.pictures import LONGEST_SIDE
from segx.scans import Intensity, as_rgb, resize_image
from tests.phantoms import ball, disc, write_volume


@pytest.mark.parametrize(("rows", "cols"), [(30, 50), (900, 1300), (1, 5000)])
def test_it_is_the_scan_made_small(tmp_path: Path, rows: int, cols: int) -> None:
    smooth, _ = disc((40, 40), 0)
    image = np.asarray(Image.fromarray(smooth).resize((cols, rows)))
    Image.fromarray(image).save(tmp_path / "a.png")
    seen = glance(tmp_path / "a.png")
    assert max(seen.shape) == min(max(rows, cols), LONGEST_SIDE)
    whole = resize_image(image, Extent(*seen.shape[:2]))
    assert np.abs(seen.astype(float) - whole).mean() < 3


def test_it_is_read_in_bands_that_fit_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.arange(2000 * 30, dtype=np.uint16).reshape(2000, 30)
    tifffile.imwrite(tmp_path / "a.tif", image)
    whole = glance(tmp_path / "a.tif")
    monkeypatch.setattr("segx.pages.glance._BAND_PIXELS", 100)
    assert np.array_equal(glance(tmp_path / "a.tif"), whole)


def test_a_plane_is_shown_on_the_scale_that_the_model_reads(tmp_path: Path) -> None:
    volume, _ = ball((5, 20, 30), 0)
    path = write_volume(tmp_path / "a.nii.gz", volume)
    scale = Intensity.from_window(70, 130, 1, mean=0.5, std=0.5)
    seen = glance(path, plane=2, intensity=scale)
    assert np.array_equal(seen, as_rgb(volume[2][..., None], intensity=scale))


def test_a_file_that_holds_only_some_of_the_channels_is_shown_too(
    tmp_path: Path,
) -> None:
    image, _ = disc((30, 30), 0, channels=1)
    Image.fromarray(image).save(tmp_path / "a.png")
    scale = Intensity.from_window(0, 255, 4, mean=0.5, std=0.5)
    seen = glance(tmp_path / "a.png", intensity=scale)
    assert np.array_equal(seen, as_rgb(image[..., None]))


def test_a_broken_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(ScanError):
        glance(tmp_path / "a.png")
