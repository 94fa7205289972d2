"""An exported network computes what torch computes, at any size, or is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from segx.artifact import Model
from segx.atomic import sha256
from segx.errors import ModelError
from segx.inference import export as exporting
from segx.inference.engines import torch_reference
from segx.inference.export import PARITY_SHAPES, export_onnx, to_onnx
from segx.inference.exported import ExportedModel
from segx.inference.runtimes.onnx import OnnxRuntime
from segx.labels import Labels
from segx.models.decoders import DECODERS
from tests.inference.exports import saved_model, spec, tiles
from tests.models.narrow import SMALL

pytest.importorskip("onnx", reason="writes ONNX files: segx[onnx]")
pytest.importorskip("onnxruntime", reason="runs ONNX files: segx[onnx]")


@settings(max_examples=12)
@given(
    batch=st.integers(1, 3),
    rows=st.integers(1, 99),
    cols=st.integers(1, 99),
    seed=st.integers(0, 9),
)
def test_the_graph_is_the_network_for_any_batch_and_size(
    exported: Path, model: Model, batch: int, rows: int, cols: int, seed: int
) -> None:
    runtime = ExportedModel.read(exported).runtime
    images = tiles((batch, 3, rows, cols), seed=seed)
    found, expected = runtime.run(images), torch_reference(model).run(images)
    assert (found.dtype, found.shape) == (np.float32, (batch, 3, rows, cols))
    assert np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_file_carries_its_spec_its_version_and_its_digest(
    exported: Path, model: Model
) -> None:
    from segx import __version__

    read = ExportedModel.read(exported)
    assert read.spec == model.spec
    assert read.passport.version == __version__
    assert read.passport.weights_sha256 == sha256(model.source)
    digest = exported.with_name("model.onnx.sha256").read_text().split()
    assert digest == [sha256(exported), "model.onnx"]


def test_the_model_that_is_exported_stays_as_it_was(
    exported: Path, model: Model
) -> None:
    pools = [
        m for m in model.network.modules() if isinstance(m, exporting._AveragePool)
    ]
    assert not pools
    assert not model.network.training


def test_a_classifier_is_exported_too(tmp_path: Path) -> None:
    model = saved_model(tmp_path, spec(None))
    export_onnx(model, tmp_path / "a.onnx")
    images = tiles((3, 3, 64, 64))
    found = ExportedModel.read(tmp_path / "a.onnx").runtime.run(images)
    assert found.shape == (3, 2)
    assert np.allclose(found, torch_reference(model).run(images), atol=1e-5)


@pytest.mark.parametrize("decoder", ["FPN", "PSPNet"])
def test_decoders_that_pad_or_pool_are_exported(decoder: str, tmp_path: Path) -> None:
    model = saved_model(tmp_path, spec(decoder=decoder))
    parity = export_onnx(model, tmp_path / "a.onnx")
    assert [item.shape for item in parity] == list(PARITY_SHAPES)
    assert max(item.difference for item in parity) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_decoder_is_exported(decoder: str, tmp_path: Path) -> None:
    stride = max(DECODERS[decoder].output_strides)
    described = spec(decoder=decoder)
    choice = described.decoder.model_copy(update={"options": SMALL.get(decoder, {})})
    encoder = described.encoder.model_copy(update={"output_stride": stride})
    described = described.model_copy(update={"decoder": choice, "encoder": encoder})
    model = saved_model(tmp_path, described)
    export_onnx(model, tmp_path / "a.onnx")
    runtime = OnnxRuntime(tmp_path / "a.onnx")
    for shape in [(1, 3, 1, 1), (2, 3, 5, 200), (1, 3, 129, 31), (1, 3, 256, 256)]:
        images = tiles(shape)
        found, expected = runtime.run(images), torch_reference(model).run(images)
        assert np.allclose(found, expected, atol=1e-3 * np.abs(expected).max())


@given(
    rows=st.integers(1, 40),
    cols=st.integers(1, 40),
    cells=st.tuples(st.integers(1, 7), st.integers(1, 7)),
)
def test_pools_as_products_are_torchs_pools(
    rows: int, cols: int, cells: tuple[int, int]
) -> None:
    x = torch.from_numpy(tiles((2, 3, rows, cols)))
    expected = nn.AdaptiveAvgPool2d(cells)(x)
    assert torch.allclose(exporting._AveragePool(cells)(x), expected, atol=1e-5)


def test_an_export_that_computes_something_else_is_not_written(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Off:
        def __init__(self, content: bytes) -> None:
            self.runtime = OnnxRuntime(content)

        def run(self, images: Any) -> Any:
            logits = self.runtime.run(images)
            logits[0, 0, 0, 0] += 0.01 * np.abs(logits).max()
            return logits

    monkeypatch.setattr(exporting, "OnnxRuntime", Off)
    with pytest.raises(ModelError, match=r"UNet.* can't be exported .* differ by 0\.0"):
        export_onnx(model, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_an_exporter_that_gives_up_names_the_decoder(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up(*_: object, **__: object) -> None:
        raise torch.onnx.OnnxExporterError("no such operator\nmore")

    monkeypatch.setattr(torch.onnx, "export", give_up)
    with pytest.raises(ModelError, match=r"UNet.*any size: no such operator\. Predict"):
        to_onnx(model)


def test_binary_labels_have_one_logit(tmp_path: Path) -> None:
    model = saved_model(tmp_path, spec(Labels("binary", ("background", "cell"))))
    logits = OnnxRuntime(to_onnx(model)).run(tiles((1, 3, 40, 50)))
    assert logits.shape == (1, 1, 40, 50)
