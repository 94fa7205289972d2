import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from segx.artifact import Model, build_network, save_model
from segx.config import EncoderConfig, InferenceConfig
from segx.errors import ModelError, ScanError
from segx.geometry import Extent
from segx.inference.loading import load, predictor_of
from segx.inference.outputs import Outcome, Wanted
from segx.inference.predictor import Predictor
from segx.inference.writer import predict_file, predict_files
from segx.scans.files import open_scan
from segx.scans.intensity import Intensity
from segx.scans.memory import ArrayScan
from tests.inference.stubs import (
    BINARY,
    LAYERS,
    THREE,
    Brightness,
    Constant,
    Identity,
    model,
    predictor_with,
)
from tests.tiles.strategies import extents


def _picture(rows: int = 50, cols: int = 70, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(rows).integers(
        0, 256, (rows, cols, channels), np.uint8
    )


def _three() -> Predictor:
    return predictor_with(model(THREE), Brightness())


@settings(max_examples=50)
@given(extents(), st.integers(5, 40), st.sampled_from([0.0, 0.25, 0.5, 0.7]))
def test_an_identity_model_gives_the_scan_back(
    extent: Extent, tile: int, overlap: float
) -> None:
    predictor = predictor_with(
        model(LAYERS), Identity(), tile=tile, overlap=overlap, batch_size=3
    )
    pixels = _picture(extent.rows, extent.cols)
    bands = [
        band.probabilities
        for band in predictor.predict_probabilities(ArrayScan(pixels))
    ]
    result = np.moveaxis(np.concatenate(bands, axis=1), 0, 2)
    assert np.abs(result - pixels / 255).max() < 1e-5
    assert np.array_equal(predictor.predict(pixels), pixels >= 127.5)


@settings(max_examples=50)
@given(extents(), st.integers(5, 40), st.sampled_from([0.0, 0.25, 0.5, 0.7]))
def test_a_constant_model_gives_a_constant(
    extent: Extent, tile: int, overlap: float
) -> None:
    predictor = predictor_with(
        model(THREE), Constant((0.0, 1.0, 2.0)), tile=tile, overlap=overlap
    )
    mask = predictor.predict(_picture(extent.rows, extent.cols))
    assert (mask.dtype, mask.shape) == (np.uint8, (extent.rows, extent.cols))
    assert (mask == 2).all()


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 90), (90, 1), (2, 3), (33, 31), (64, 64)]
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("labels", [BINARY, THREE, LAYERS], ids=lambda item: item.kind)
def test_masks_keep_the_size_of_the_scan(
    tmp_path: Path, shape: tuple[int, int], suffix: str, labels: object
) -> None:
    source = tmp_path / f"scan.{suffix}"
    _save(source, _picture(*shape))
    count = labels.logits  # type: ignore[attr-defined]
    predictor = predictor_with(model(labels), Constant((1.0,) * count))  # type: ignore[arg-type]
    written = predict_file(predictor, source, tmp_path / "out")
    for path in written.masks:
        with open_scan(path, as_mask=True) as mask:
            assert mask.extent == Extent(*shape)
    assert written.overlay is not None
    with Image.open(written.overlay) as overlay:
        assert overlay.size == (shape[1], shape[0])
    assert len(_visible(tmp_path / "out")) == len(written.paths)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
def test_a_file_an_array_and_a_written_mask_agree(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"scan.{suffix}"
    _save(source, _picture())
    predictor = _three()
    mask = predictor.predict(source)
    with open_scan(source) as scan:
        assert np.array_equal(predictor.predict(scan.read_all()), mask)
    (path,) = predict_file(predictor, str(source), tmp_path / "out").masks
    assert path.name == ("scan.tif" if suffix == "tif" else "scan.png")
    with open_scan(path, as_mask=True) as written:
        assert np.array_equal(written.read_all()[..., 0], mask)
    assert set(np.unique(mask)) == {0, 1, 2}


def test_grey_scans_and_opaque_alpha_suit_a_colour_model() -> None:
    grey = _picture(channels=1)
    colours = np.repeat(grey, 3, axis=2)
    alpha = np.concatenate([colours, np.full_like(grey, 255)], axis=2)
    predictor = _three()
    masks = [predictor.predict(pixels) for pixels in (grey[..., 0], colours, alpha)]
    assert np.array_equal(masks[0], masks[1])
    assert np.array_equal(masks[0], masks[2])
    with pytest.raises(ScanError, match="the model reads 3"):
        predictor.predict(_picture(channels=5))


def test_the_models_own_intensity_is_used() -> None:
    scale = Intensity.from_percentiles([1000.0], [3000.0], mean=0.0, std=1.0)
    predictor = predictor_with(model(THREE, intensity=scale), Brightness())
    scan = np.array([[0, 1000, 2000, 3000, 60_000]], np.uint16)
    assert predictor.predict(scan).tolist() == [[0, 0, 1, 2, 2]]


def test_a_model_that_resizes_gives_masks_of_the_native_size() -> None:
    half = np.zeros((90, 120, 3), np.uint8)
    half[:, 60:] = 255
    runtime = Identity()
    predictor = predictor_with(model(LAYERS, resize=(30, 40)), runtime)
    mask = predictor.predict(half)
    assert runtime.shapes == [(1, 3, 32, 32)] * 2  # 30x40, padded and tiled
    assert mask.shape == (90, 120, 3)
    assert not mask[:, :57].any()
    assert mask[:, 63:].all()


def test_an_error_while_predicting_leaves_no_mask_and_an_old_one_intact(
    tmp_path: Path,
) -> None:
    class Breaking(Brightness):
        runs = 0

        def run(self, tiles: np.ndarray) -> np.ndarray:
            self.runs += 1
            if self.runs > 3:
                raise KeyboardInterrupt
            return super().run(tiles)

    source, out = tmp_path / "scan.png", tmp_path / "out"
    _save(source, _picture(200, 70))
    for content in (None, b"older"):
        if content is not None:
            (out / "scan.png").write_bytes(content)
        with pytest.raises(KeyboardInterrupt):
            predict_file(predictor_with(model(THREE), Breaking()), source, out)
        left = {path.name: path.read_bytes() for path in _visible(out)}
        assert left == ({} if content is None else {"scan.png": content})


def test_one_bad_file_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        _save(scans / name, _picture())
    bad = scans / "b.png"
    bad.write_bytes(bad.read_bytes()[:2000])
    seen: list[Outcome] = []
    with caplog.at_level(logging.WARNING):
        outcomes = predict_files(_three(), [scans], out, on_done=seen.append)
    assert outcomes == seen
    assert [outcome.source.name for outcome in outcomes] == ["a.png", "b.png", "c.png"]
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert str(bad) in str(outcomes[1].error)
    assert str(bad) in caplog.text
    names = [
        f"{stem}{end}" for stem in "ac" for end in (".json", ".png", "_overlay.png")
    ]
    assert sorted(path.name for path in _visible(out)) == names


def test_a_dicom_series_gets_one_segmentation(tmp_path: Path) -> None:
    pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
    from tests.scans.dicoms import stored, write_series

    volume = stored((3, 20, 30), dtype="u2", bits=12)
    series = write_series(tmp_path / "in" / "liver", volume, BitsStored=12)
    scale = Intensity.from_window(0, 4095, 3, mean=0, std=1)
    predictor = predictor_with(model(THREE, intensity=scale), Brightness())
    (outcome,) = predict_files(predictor, [tmp_path / "in"], tmp_path / "out")
    assert outcome.written is not None
    assert outcome.source == series
    assert outcome.written.masks == (tmp_path / "out" / "liver.dcm",)
    with open_scan(tmp_path / "out" / "liver.dcm", as_mask=True) as scan:
        found = [scan.read_all(plane=plane)[..., 0] for plane in range(3)]
    assert np.array_equal(found, predictor.predict(series))


def test_overlays_can_be_left_out(tmp_path: Path) -> None:
    _save(tmp_path / "a.png", _picture())
    (outcome,) = predict_files(
        _three(),
        [str(tmp_path / "a.png")],
        str(tmp_path / "out"),
        wanted=Wanted(overlay=False),
    )
    assert outcome.written is not None
    assert outcome.written.overlay is None
    assert [path.name for path in _visible(tmp_path / "out")] == ["a.json", "a.png"]


def test_a_prediction_never_writes_over_its_scan(tmp_path: Path) -> None:
    _save(tmp_path / "a.png", _picture())
    with pytest.raises(ScanError, match="written over"):
        predict_file(_three(), tmp_path / "a.png", tmp_path)


def test_tile_overlap_and_batch_size_take_the_place_of_the_models_own() -> None:
    inference = InferenceConfig(tile=64, overlap=0.5, blend="hann", batch_size=2)
    stub = model(THREE, inference=inference)
    assert predictor_with(stub, Brightness()).plan.tile == 64
    changed = predictor_with(stub, Brightness(), tile=16, overlap=0.1, batch_size=9)
    plan = changed.plan
    assert (plan.tile, plan.overlap, plan.batch_size) == (16, 0.1, 9)
    assert plan.blend == "hann"


def test_a_classifier_gives_probabilities_of_the_resized_image() -> None:
    class Mean(Identity):
        def run(self, tiles: np.ndarray) -> np.ndarray:
            self.shapes.append(tiles.shape)
            return np.log(tiles.mean(axis=(2, 3)))

    runtime = Mean()
    stub = model(None, resize=(16, 24), class_names=("a", "b", "c"))
    predictor = predictor_with(stub, runtime)
    image = np.full((50, 70, 3), (51, 102, 102), np.uint8)
    assert np.allclose(predictor.classify(image), [0.2, 0.4, 0.4], atol=1e-5)
    assert runtime.shapes == [(1, 3, 16, 24)]


def test_a_model_for_the_other_task_says_so() -> None:
    with pytest.raises(ModelError, match="runs/stub segments images"):
        _three().classify(_picture())
    classifier = predictor_with(model(None, class_names=("a", "b")), Identity())
    with pytest.raises(ModelError, match="runs/stub classifies images"):
        classifier.predict(_picture())


@pytest.mark.slow
@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_a_saved_model_predicts_the_same_when_it_is_loaded(
    tmp_path: Path, task: str
) -> None:
    names = ("a", "b") if task == "classification" else None
    spec = model(None if names else THREE, class_names=names).spec
    spec = spec.model_copy(update={"encoder": EncoderConfig(name="xception_narrow")})
    weights = tmp_path / "model" / "weights.safetensors"
    made = Model(build_network(spec).eval(), spec, weights)
    save_model(made, tmp_path / "model")
    first = predictor_of(made, device="cpu")
    again = load(tmp_path / "model", device="cpu")
    image = _picture(70, 50)
    if names:
        assert np.array_equal(first.classify(image), again.classify(image))
        assert first.classify(image).sum() == pytest.approx(1, abs=1e-5)
    else:
        assert np.array_equal(first.predict(image), again.predict(image))


@pytest.mark.slow
def test_inference_knows_no_lightning() -> None:
    code = (
        "import sys, segx.inference.predictor as story\n"
        "strangers = {'pytorch_lightning', 'albumentations', 'segx.data'}\n"
        "found = strangers & set(sys.modules)\n"
        "sys.exit(str(found) if found else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _save(path: Path, pixels: np.ndarray) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="rgb", tile=(16, 16))
    else:
        Image.fromarray(pixels).save(path)
