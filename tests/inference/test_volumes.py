from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segx.inference.outputs import Wanted
from segx.inference.writer import predict_file
from segx.scans.files import open_scan
from tests.inference.stubs import (
    LAYERS,
    THREE,
    Brightness,
    Constant,
    model,
    predictor_with,
)
from tests.scans.volumes import MASK_SUFFIXES, SUFFIXES, Volume, noise, read_volume

nib = pytest.importorskip("nibabel", reason="the independent reader of NIfTI")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_volume_is_predicted_plane_by_plane_into_its_own_format(
    tmp_path: Path, suffix: str
) -> None:
    voxels = noise(5, 40, 37, dtype="u1")
    source = Volume(voxels).write(tmp_path / f"brain.1{suffix}")
    predictor = predictor_with(model(THREE, channels=1), Brightness())
    written = predict_file(predictor, source, tmp_path / "out")
    (path,) = written.masks
    assert path.name.startswith("brain.1.")
    assert path.name.removeprefix("brain.1") in MASK_SUFFIXES
    expected = predictor.predict(source)
    assert expected.shape == voxels.shape
    with open_scan(source) as scan, open_scan(path, as_mask=True) as mask:
        assert np.array_equal(read_volume(mask)[..., 0], expected)
        assert mask.space == scan.space
    assert written.overlay == tmp_path / "out" / "brain.1_overlay.png"
    with Image.open(written.overlay) as overlay:
        assert overlay.size == (37, 40)


def test_each_class_of_a_multilabel_volume_lies_on_the_scan(tmp_path: Path) -> None:
    source = Volume(noise(3, 20, 21, dtype="u1")).write(tmp_path / "scan.nii.gz")
    predictor = predictor_with(model(LAYERS, channels=1), Constant((1.0, -1.0, 1.0)))
    wanted = Wanted(overlay=False)
    written = predict_file(predictor, source, tmp_path / "out", wanted=wanted)
    assert [path.name for path in written.masks] == [
        f"scan.{name}.nii.gz" for name in LAYERS.names
    ]
    for path, value in zip(written.masks, (1, 0, 1), strict=True):
        assert np.array_equal(nib.load(path).affine, nib.load(source).affine)
        assert np.all(np.asanyarray(nib.load(path).dataobj) == value)
