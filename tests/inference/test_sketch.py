import numpy as np
import pytest

from segx.geometry import Extent, Region
from segx.inference import sketch as module
from segx.inference.sketch import Sketch
from segx.scans.intensity import Intensity
from segx.scans.overlay import draw_overlay
from tests.inference.stubs import THREE

_SCALE = Intensity.for_dtype(np.uint8, 3, mean=0.5, std=0.5)


@pytest.mark.parametrize("longest", [100, 40, 13, 1])
@pytest.mark.parametrize("band", [1, 7, 60])
def test_a_sketch_is_every_nth_pixel_however_the_scan_is_cut(
    longest: int, band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LONGEST_SIDE", longest)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (60, 45, 3), np.uint8)
    mask = random.integers(0, 3, (60, 45), np.uint8)
    sketch = Sketch(Extent(60, 45), labels=THREE, intensity=_SCALE)
    for top in range(0, 60, band):
        rows = min(band, 60 - top)
        inside = slice(top, top + rows)
        sketch.add(Region(top, 0, rows, 45), pixels[inside], mask[inside])
    step = -(-60 // longest)
    expected = draw_overlay(pixels[::step, ::step], mask[::step, ::step], THREE)
    assert max(expected.shape) <= max(longest, 3)
    assert np.array_equal(sketch.draw(), expected)
